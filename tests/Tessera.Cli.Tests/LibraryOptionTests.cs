using System.Text.Json;

namespace Tessera.Cli.Tests;

/// <summary>Options of a compression's library, by what a plan makes of them.</summary>
public sealed class LibraryOptionTests(TinyModel files)
{
    private static readonly string[] Plan = ["plan", "compress", "random:llama-3.1-8b", "--on", "h100", "--heal-steps", "0"];

    [Fact]
    public void Pairs_are_planned_before_they_are_trained()
    {
        Assert.DoesNotContain("pairs", Parts().Keys);
        var coupled = Parts("--distill", "coupled");

        // 6 mixers and 9 feed-forwards without the parent's pair and the empty layer, in 32 layers; halves are only made.
        Assert.StartsWith("1664 of 1664 pairs, 32 steps", coupled["pairs"].GetProperty("work").GetString(), StringComparison.Ordinal);
        Assert.Contains(", 0 steps", coupled["library"].GetProperty("work").GetString(), StringComparison.Ordinal);
        var hybrid = Parts("--distill", "hybrid", "--distill-solutions", "2", "--distill-sweep", "memory=100%..50%/2");
        Assert.StartsWith("at most 512 of 1664 pairs", hybrid["pairs"].GetProperty("work").GetString(), StringComparison.Ordinal);
        Assert.True(Seconds(hybrid["pairs"]) < Seconds(coupled["pairs"]));

        // Pairs take more than their halves: two evaluations and 32 steps of both halves at once.
        Assert.True(Seconds(coupled["pairs"]) > 3 * Seconds(Parts()["library"]));
        Assert.True(Seconds(Parts("--prune-rounds", "4")["library"]) > Seconds(Parts()["library"]));
    }

    [Fact]
    public void States_in_bf16_take_half_the_disk_and_batches_hold_the_longest_document()
    {
        // 131,072 tokens of 4,096 in 65 files.
        string[] tokens = ["--calibration-tokens", "131072", "--max-length", "4096"];
        Assert.Contains("130 GiB", Parts(tokens)["library"].GetProperty("work").GetString(), StringComparison.Ordinal);
        Assert.Contains("65 GiB", Parts([.. tokens, "--states", "bf16"])["library"].GetProperty("work").GetString(), StringComparison.Ordinal);
        Assert.Contains("32 steps of 4,096 tokens", Parts(tokens)["library"].GetProperty("work").GetString(), StringComparison.Ordinal);
        CliRun.Refused([.. Plan, .. tokens, "--batch-tokens", "2048"], "--batch-tokens 2048: expected at least 4096");
    }

    [Fact]
    public void What_does_not_go_together_is_refused()
    {
        CliRun.Refused([.. Plan, "--distill-solutions", "3"], "--distill-solutions: only --distill hybrid selects pairs");
        CliRun.Refused([.. Plan, "--distill", "hybrid", "--distill-solutions", "0"], "--distill-solutions 0: expected at least 1");
        CliRun.Refused([.. Plan, "--distill", "hybrid", "--distill-sweep", "memory"], "--distill-sweep memory: expected QUANTITY=FROM..TO/COUNT");
        CliRun.Refused([.. Plan, "--prune-rounds", "0"], "--prune-rounds 0: expected at least 1");
    }

    // The tiny model in documents as long as it takes, with everything that the library can do.
    [Theory]
    [InlineData("f32")]
    [InlineData("bf16")]
    public void A_hybrid_compression_runs_from_the_command_line(string precision)
    {
        string text = files.At($"library-prose-{precision}.txt"), output = files.At($"library-run-{precision}");
        File.WriteAllText(text, string.Join('\n', Enumerable.Range(0, 400).Select(i => $"line {i} of a text that tells of {i * 7 % 31} things")));
        var run = CliRun.Good([
            "compress", files.Plain, "--target", "parameters<=95%", "--text", text, "--out", output, "--distill", "hybrid", "--distill-solutions", "1",
            "--prune-rounds", "2", "--states", "bf16", "--input-length", "8", "--output-length", "8", "--rounds", "1", "--calibration-tokens", "128",
            "--scoring-tokens", "64", "--max-length", "32", "--block-steps", "2", "--heal-steps", "0", "--precision", precision,
        ]);
        Assert.Matches("pairs: [0-9]+ jobs in [0-9]+ layers, at most 2 steps each, .* at the rate of the halves", run.Error);
        Assert.Single(Directory.GetDirectories(output, "pairs-*"));
        Assert.True(File.Exists(Path.Combine(output, "child", "model.safetensors")));
    }

    private static double Seconds(JsonElement part) => part.GetProperty("seconds").GetDouble();

    private static Dictionary<string, JsonElement> Parts(params string[] options) =>
        CliRun.Good([.. Plan, .. options, "--json"]).Json().GetProperty("stages")[0].GetProperty("parts").EnumerateArray()
            .ToDictionary(part => part.GetProperty("name").GetString()!);
}
