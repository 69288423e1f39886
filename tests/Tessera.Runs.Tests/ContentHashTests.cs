namespace Tessera.Runs.Tests;

public sealed class ContentHashTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // The published answer of FIPS 180 for "abc".
    [Fact]
    public void Texts_and_files_hash_to_the_published_sha256()
    {
        const string expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        File.WriteAllText(_folder["abc"], "abc");
        Assert.Equal(expected, ContentHash.OfText("abc"));
        Assert.Equal(expected, ContentHash.OfFile(_folder["abc"]));
        Assert.Equal("ba7816bf8f01", ContentHash.Short(expected));
    }

    [Fact]
    public void A_folder_hashes_by_the_names_and_contents_of_its_files_wherever_it_lies()
    {
        string Make(string name, params (string Path, string Text)[] files)
        {
            foreach ((string path, string text) in files)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(_folder[Path.Combine(name, path)])!);
                File.WriteAllText(_folder[Path.Combine(name, path)], text);
            }

            return ContentHash.OfFolder(_folder[name]);
        }

        string hash = Make("one", ("a", "1"), ("in/.b", "2"));
        Assert.Equal(hash, Make("two", ("in/.b", "2"), ("a", "1")));
        Assert.Equal(hash, Make("two", ("a.lock", "")));
        Assert.Equal(hash, ContentHash.OfFolder(_folder["one"] + "/"));
        string[] others =
        [
            Make("three", ("a", "1")), Make("four", ("a", "2"), ("in/.b", "1")), Make("five", ("a", "1"), ("in/c", "2")),
            Make("six", ("a", "1"), (".b", "2")), Make("seven", ("a", "1"), ("in/.b", "2"), ("c.lock", "3")),
        ];
        Assert.Equal(others.Length, others.Distinct().Count());
        Assert.DoesNotContain(hash, others);
    }

    // A link to the folder above would otherwise be entered without end.
    [Fact]
    public void Folders_behind_links_are_not_entered()
    {
        Directory.CreateDirectory(_folder["in"]);
        File.WriteAllText(_folder["in/a"], "1");
        string hash = ContentHash.OfFolder(_folder["in"]);
        Directory.CreateSymbolicLink(_folder["in/loop"], _folder["in"]);
        Assert.Equal(hash, ContentHash.OfFolder(_folder["in"]));
    }

    [Fact]
    public void Named_values_hash_independently_of_order_and_by_their_borders()
    {
        string hash = Named(("a", "1"), ("b", "2"));
        Assert.Equal(hash, Named(("b", "2"), ("a", "1")));
        string[] others =
            [Named(("a", "2"), ("b", "1")), Named(("a", "1b"), ("", "2")), Named(("a1", ""), ("b", "2")), Named(("a", "1")), Named()];
        Assert.Equal(others.Length, others.Distinct().Count());
        Assert.DoesNotContain(hash, others);
        Assert.Throws<ArgumentException>(() => Named(("a", "1"), ("a", "2")));
    }

    // Computed with Python: sha256(b"\x01\0\0\0a\x01\0\0\0" + b"1"); folders made by older versions must be found again.
    [Fact]
    public void The_hash_of_named_values_never_changes() =>
        Assert.Equal("d5a58ec3dc55ef58182246f5b5e3931480276d0fe2202a4ff926d7de4588cef5", Named(("a", "1")));

    private static string Named(params (string Name, string Value)[] values) =>
        ContentHash.OfNamed(values.Select(value => KeyValuePair.Create(value.Name, value.Value)));
}
