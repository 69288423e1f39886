using System.Text;

namespace Tessera.Runs.Tests;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Text_is_written_as_utf8_without_a_mark_and_replaces_what_was_there()
    {
        AtomicFile.WriteAllText(_folder["a.txt"], "a much longer first version");
        AtomicFile.WriteAllText(_folder["a.txt"], "Größe");
        Assert.Equal(Encoding.UTF8.GetBytes("Größe"), File.ReadAllBytes(_folder["a.txt"]));
        Assert.Single(Directory.GetFileSystemEntries(_folder.FullPath));
    }

    [Fact]
    public void A_failing_callback_leaves_the_old_file_and_nothing_else()
    {
        AtomicFile.WriteAllBytes(_folder["a.bin"], new byte[] { 1, 2, 3 });
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(_folder["a.bin"], stream =>
        {
            stream.Write([9, 9, 9, 9, 9]);
            throw new InvalidOperationException();
        }));
        Assert.Equal([1, 2, 3], File.ReadAllBytes(_folder["a.bin"]));
        Assert.Single(Directory.GetFileSystemEntries(_folder.FullPath));
    }

    [Fact]
    public void Readers_see_the_old_content_until_the_callback_has_ended()
    {
        AtomicFile.WriteAllText(_folder["a.txt"], "old");
        AtomicFile.Write(_folder["a.txt"], stream =>
        {
            stream.Write("new"u8);
            stream.Flush();
            Assert.Equal("old", File.ReadAllText(_folder["a.txt"]));
        });
        Assert.Equal("new", File.ReadAllText(_folder["a.txt"]));
    }

    [Fact]
    public void A_full_disk_is_one_sentence_and_harms_nothing()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "needs the device /dev/full");
        AtomicFile.WriteAllText(_folder["a.txt"], "old");
        var failure = Assert.Throws<IOException>(() => AtomicFile.Write(_folder["a.txt"], _ =>
        {
            using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            full.Write([1]);
        }));
        Assert.Equal($"Cannot write {_folder["a.txt"]}: the disk is full.", failure.Message);
        Assert.Equal("old", File.ReadAllText(_folder["a.txt"]));
        Assert.Single(Directory.GetFileSystemEntries(_folder.FullPath));
    }

    [Fact]
    public void A_missing_folder_is_one_sentence()
    {
        var failure = Assert.Throws<IOException>(() => AtomicFile.WriteAllText(_folder["no/a.txt"], "x"));
        Assert.Equal($"Cannot write {_folder["no/a.txt"]}: its folder does not exist.", failure.Message);
    }
}
