using Tessera.Interop;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

public sealed class DoctorTests
{
    [Fact]
    public void Json_holds_the_machine_and_every_optional_part_with_its_purpose()
    {
        var json = CliRun.Good("doctor", "--json").Json();

        Assert.Equal(Environment.ProcessorCount, json.GetProperty("machine").GetProperty("cores").GetInt32());
        Assert.InRange(json.GetProperty("machine").GetProperty("memory_bytes").GetInt64(), 1L << 26, 1L << 50);
        var optional = json.GetProperty("optional").EnumerateArray().ToList();
        Assert.Equal(
            ["CUDA driver", "NVRTC", "cuBLASLt", "cuDNN", "NCCL", "MPI", "CBC", "bubblewrap"],
            optional.Select(part => part.GetProperty("name").GetString()));
        Assert.All(optional, part =>
        {
            Assert.NotEqual("", part.GetProperty("needed_for").GetString());
            Assert.Equal(part.GetProperty("found").GetBoolean(), part.GetProperty("path").GetString() is not null);
        });
    }

    [Fact]
    public void Cards_are_listed_or_the_reason_why_there_is_none()
    {
        var json = CliRun.Good("doctor", "--json").Json();
        string text = CliRun.Good("doctor").Output;
        if (json.GetProperty("no_card_because").GetString() is { } reason)
        {
            Assert.DoesNotContain(json.GetProperty("cards").EnumerateArray(), card => card.GetProperty("objection").GetString() is null);
            Assert.Contains($"none to use: {reason}", text, StringComparison.Ordinal);
            string model = Path.Combine(SharedData.RepositoryRoot, "models", "tessera-arithmetic-thinking-2.1m");
            CliRun.Refused(["generate", model, "--prompt", "1", "--device", "cuda"], "--device cuda: ", reason);
        }
        else
        {
            Assert.Contains(json.GetProperty("cards").EnumerateArray(), card => card.GetProperty("objection").GetString() is null);
            Assert.Contains("cuda:0 ", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_program_is_found_where_the_path_says()
    {
        var shell = new Machine.OptionalPart("shell", "tests", null, "no-such-program-anywhere", "sh");
        var nothing = new Machine.OptionalPart("nothing", "tests", new NativeLibraryFile("nothing", ["libno-such-library.so.9"], []));

        Assert.EndsWith("/sh", shell.Find()!.Value.Path);
        Assert.Null(nothing.Find());
    }

    [Fact]
    public void Text_says_for_each_part_where_it_is_or_what_lacks_it()
    {
        var json = CliRun.Good("doctor", "--json").Json();
        string[] lines = CliRun.Good("doctor").Output.Split('\n');

        foreach (var part in json.GetProperty("optional").EnumerateArray())
        {
            string line = Assert.Single(lines, line => line.StartsWith(part.GetProperty("name").GetString()!, StringComparison.Ordinal));
            Assert.EndsWith(part.GetProperty("path").GetString() ?? $"missing: needed for {part.GetProperty("needed_for").GetString()}", line);
        }
    }
}
