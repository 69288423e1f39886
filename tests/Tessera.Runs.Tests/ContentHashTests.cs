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
