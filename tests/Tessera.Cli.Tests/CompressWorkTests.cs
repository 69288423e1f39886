using System.Text.Json;
using Tessera.Models.Checkpoints;

namespace Tessera.Cli.Tests;

/// <summary>Compressions without text, of chosen layers and variants, in bf16 and in several loads.</summary>
public sealed class CompressWorkTests(TinyModel files)
{
    [Fact]
    public void Drawn_weights_are_compressed_on_drawn_ids_and_everything_is_timed()
    {
        string output = files.At("work-drawn");
        var run = CliRun.Good([.. Quick("random:" + files.At("plain.json"), output), "--ids", "drawn", "--distill-layers", "0,1", "--load", "short=1x4+2"]);
        foreach (string part in (string[])["short/1         parent", "short/1         child", "library with all 2 layers trained: ", "stages: measure ", ", loads "])
        {
            Assert.Contains(part, run.Output, StringComparison.Ordinal);
        }

        var result = JsonDocument.Parse(File.ReadAllText(Path.Combine(output, "result.json"))).RootElement;
        Assert.Equal(2, result.GetProperty("loads").GetArrayLength());
        Assert.True(result.GetProperty("projection").GetProperty("seconds").GetDouble() > 0);
        Assert.All(result.GetProperty("stages").EnumerateArray(), stage => Assert.True(stage.GetProperty("seconds").GetDouble() >= 0));
        string child = Path.Combine(output, "child");
        Assert.Equal(2, ModelFolder.ReadConfiguration(child).Layers.Length);
        Assert.False(File.Exists(Path.Combine(child, "tokenizer.json")));
        Assert.Contains("random:", File.ReadAllText(Path.Combine(child, "README.md")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_is_compressed_on_lists_of_ids()
    {
        string ids = files.Write("work-ids.jsonl", string.Concat(Enumerable.Range(0, 30).Select(
            i => $"[{string.Join(',', Enumerable.Range(0, 40).Select(k => ((7 * i) + (3 * k)) % 250))}]\n")));
        string output = files.At("work-ids");
        CliRun.Good([.. Quick(files.Plain, output), "--ids", ids]);
        Assert.True(File.Exists(Path.Combine(output, "child", "tokenizer.json")));

        CliRun.Refused(
            [.. Quick(files.Plain, files.At("work-few")), "--ids", files.Write("work-few.jsonl", "[1,2,3]\n")], "work-few.jsonl", "too few");
        CliRun.Refused(
            [.. Quick(files.Plain, files.At("work-wrong")), "--ids", files.Write("work-wrong.jsonl", "[1,99999]\n")], "work-wrong.jsonl", "element 1");
        CliRun.Refused([.. Quick(files.Plain, files.At("work-both")), "--ids", ids, "--tasks", "all"], "--ids FILE");
    }

    [Fact]
    public void A_run_that_ends_with_the_scores_is_gone_on_with_and_needs_no_baselines()
    {
        string output = files.At("work-until");
        string[] arguments = [.. Quick(files.Plain, output), "--ids", "drawn", "--baselines", "none"];
        string text = CliRun.Good([.. arguments, "--until", "scores"]).Output;
        string scores = Directory.GetFiles(output, "scores.jsonl", SearchOption.AllDirectories).Single();
        Assert.Contains($"scores: {scores}", text, StringComparison.Ordinal);
        Assert.Contains("stages: measure ", text, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(output, "child")));
        var written = File.GetLastWriteTimeUtc(Directory.GetFiles(Path.GetDirectoryName(scores)!, "layer000.group00.json", SearchOption.AllDirectories).Single());
        var result = CliRun.Good([.. arguments, "--json"]).Json();
        Assert.Equal(["parent", "child"], result.GetProperty("candidates").EnumerateArray().Select(candidate => candidate.GetProperty("name").GetString()));
        Assert.Equal(written, File.GetLastWriteTimeUtc(Directory.GetFiles(Path.GetDirectoryName(scores)!, "layer000.group00.json", SearchOption.AllDirectories).Single()));
    }

    [Theory]
    [InlineData("random:", "--ids", "--seed", "1")]
    [InlineData("--distill-layers", "0 to 1", "--ids", "drawn", "--distill-layers", "0,2")]
    [InlineData("--load", "needs a name", "--ids", "drawn", "--load", "1x4+2")]
    [InlineData("--precision", "--fuse", "--ids", "drawn", "--fuse")]
    public void What_cannot_be_done_is_refused(string field, string part, params string[] more) =>
        CliRun.Refused([.. Quick("random:" + files.At("plain.json"), files.At("work-refused")), .. more], field, part);

    [Fact]
    public void Variants_that_no_layer_can_have_are_refused() =>
        CliRun.Refused([.. Quick(files.Plain, files.At("work-kv3"), "attention:kv3"), "--ids", "drawn"], "--variants attention:kv3", "'kv3'");

    private static string[] Quick(string model, string output, string variants = "attention:none ffn:50%") =>
    [
        "compress", model, "--target", "parameters<=80%", "--precision", "bf16", "--variants", variants,
        "--calibration-tokens", "64", "--scoring-tokens", "64", "--batch-tokens", "64", "--max-length", "32", "--block-steps", "1",
        "--heal-steps", "0", "--problems", "0", "--input-length", "4", "--output-length", "4", "--rounds", "1", "--load-rounds", "1",
        "--decode-steps", "2", "--threads", "2", "--out", output,
    ];
}
