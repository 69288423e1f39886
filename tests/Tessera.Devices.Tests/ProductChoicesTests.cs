using System.Text;

namespace Tessera.Devices.Tests;

/// <summary>Choices between a library's proposals on disk.</summary>
public sealed class ProductChoicesTests : IDisposable
{
    private const string File = "products.txt";
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-choices").FullName;

    [Fact]
    public void A_choice_is_kept_for_later_processes()
    {
        Assert.Equal(3, Open().Keep("1x2x3 nt", 3));
        Assert.Equal(3, Open().Find("1x2x3 nt"));
        Assert.Null(Open().Find("1x2x4 nt"));
    }

    [Fact]
    public void The_first_choice_of_a_product_stands()
    {
        ProductChoices early = Open(), late = Open();
        Assert.Null(late.Find("a"));
        Assert.Equal(1, early.Keep("a", 1));
        Assert.Equal(1, late.Keep("a", 2));
        Assert.Equal(1, late.Find("a"));
    }

    [Fact]
    public void Choices_of_other_processes_are_not_lost()
    {
        ProductChoices one = Open(), other = Open();
        Assert.Null(one.Find("a"));
        Assert.Null(other.Find("b"));
        one.Keep("a", 1);
        other.Keep("b", 2);
        Assert.Equal((1, 2), (Open().Find("a"), Open().Find("b")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("=1")]
    [InlineData("a=-1")]
    [InlineData("a=99999999999")]
    [InlineData("a=1.5\n\0\0\0")]
    public void Lines_that_cannot_be_read_are_passed_over(string line)
    {
        Directory.CreateDirectory(_folder);
        System.IO.File.WriteAllBytes(Path.Combine(_folder, File), Encoding.UTF8.GetBytes($"{line}\nb=4\n"));
        Assert.Null(Open().Find("a"));
        Assert.Equal(4, Open().Find("b"));
        Assert.Equal(2, Open().Keep("a", 2));
        Assert.Equal((2, 4), (Open().Find("a"), Open().Find("b")));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_no_error()
    {
        string blocked = Path.Combine(_folder, "file");
        System.IO.File.WriteAllText(blocked, "not a folder");
        var choices = new ProductChoices(new KernelCache(Path.Combine(blocked, "below")), File);
        Assert.Equal(2, choices.Keep("a", 2));
        Assert.Equal(2, choices.Find("a"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private ProductChoices Open() => new(new KernelCache(_folder), File);
}
