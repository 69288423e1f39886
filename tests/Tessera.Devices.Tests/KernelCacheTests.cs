namespace Tessera.Devices.Tests;

/// <summary>What lies in the cache of kernels is used only if it is what was written.</summary>
public sealed class KernelCacheTests : IDisposable
{
    private const string File = "a.cubin";

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"tessera-kernels-{Guid.NewGuid():N}");

    public void Dispose()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, true);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5000)]
    public void A_sealed_file_is_read_as_it_was_written(int length)
    {
        var cache = new KernelCache(_folder);
        byte[] content = new byte[length];
        new Random(length).NextBytes(content);
        Assert.Null(cache.ReadSealed(File));
        cache.WriteSealed(File, content);
        Assert.Equal(content, cache.ReadSealed(File));
    }

    [Fact]
    public void A_sealed_file_that_is_cut_off_longer_or_changed_in_any_byte_counts_as_none()
    {
        var cache = new KernelCache(_folder);
        byte[] content = new byte[100];
        new Random(1).NextBytes(content);
        cache.WriteSealed(File, content);
        byte[] whole = cache.Read(File)!;
        for (int at = 0; at < whole.Length; at++)
        {
            cache.Write(File, whole.AsSpan(0, at));
            Assert.Null(cache.ReadSealed(File));
            byte[] changed = [.. whole];
            changed[at] ^= 1;
            cache.Write(File, changed);
            Assert.Null(cache.ReadSealed(File));
        }

        cache.Write(File, [.. whole, 0]);
        Assert.Null(cache.ReadSealed(File));
        cache.Write(File, whole);
        Assert.Equal(content, cache.ReadSealed(File));
    }
}
