using System.Text.Json;
using System.Text.RegularExpressions;

namespace Tessera.Cli.Tests;

public sealed class MemoryTests(TinyModel files)
{
    private static readonly string[] Short =
    [
        "--steps", "3", "--batch-tokens", "512", "--max-length", "64", "--warmup", "0", "--validation-tokens", "64", "--threads", "2", "--dtype", "f32",
    ];

    // With four layers: of two, one whole layer that is computed again takes as much as both without norms and SwiGLU.
    [Fact]
    public void Every_level_of_recomputation_trains_and_distils_to_the_same_file_with_less_memory()
    {
        foreach (string[] verb in (string[][])[["train", files.Mixed, "--tasks", "add"], ["distill", files.Mixed, "--teacher", files.Mixed, "--tasks", "add"]])
        {
            long previous = long.MaxValue;
            byte[]? expected = null;
            foreach (string level in (string[])["none", "selective", "full"])
            {
                string output = files.At($"{verb[0]}-{level}");
                string error = CliRun.Good([.. verb, .. Short, "--recompute", level, "--out", output]).Error;
                byte[] weights = File.ReadAllBytes(Path.Combine(output, "model.safetensors"));
                Assert.Equal(expected ??= weights, weights);
                Assert.Matches(@"memory: planned [\d.]+ MiB: .*activations [\d.]+ [KM]iB", error);
                Assert.Matches(@"memory: planned [\d.]+ MiB, used [\d.]+ MiB\n", error);
                Assert.DoesNotContain("memory: warning", error);
                long activations = Bytes(Regex.Match(error, @"planned .*?[:,] activations ([\d.]+) ([KM])iB"));
                Assert.InRange(activations, 1, previous - 1);
                previous = activations;
            }
        }
    }

    [Fact]
    public void A_run_goes_on_from_its_checkpoint_under_another_level()
    {
        string[] arguments = ["train", files.Plain, "--tasks", "add", .. Short];
        CliRun.Good([.. arguments, "--out", files.At("level-whole")]);
        CliRun.Good([.. arguments, "--recompute", "full", "--out", files.At("level-resumed")]);
        string error = CliRun.Good([.. arguments, "--memory-limit", "1GiB", "--out", files.At("level-resumed")]).Error;
        Assert.Contains("memory: planned", error);
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(files.At("level-whole"), "checkpoint.safetensors")),
            File.ReadAllBytes(Path.Combine(files.At("level-resumed"), "checkpoint.safetensors")));
    }

    [Fact]
    public void What_does_not_fit_is_refused_before_anything_is_written()
    {
        string[] arguments = ["train", files.Plain, "--tasks", "add", "--batch-tokens", "16384", "--max-length", "96", "--out", files.At("too-large")];
        CliRun.Refused([.. arguments, "--memory-limit", "8MiB"], "memory: training needs", "the limit is 8 MiB", "--batch-tokens, which is 16384", "--recompute full");
        CliRun.Refused([.. arguments, "--memory-limit", "many"], "--memory-limit: 'many'", "40GiB");
        Assert.NotEqual(0, CliRun.Of([.. arguments, "--recompute", "everything"]).Code);
        Assert.False(Directory.Exists(files.At("too-large")));
        string rows = files.Write("memory.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"1\"},{\"role\":\"assistant\",\"content\":\"1\"}]}\n");
        CliRun.Refused(
            ["sft", files.Plain, "--data", rows, "--template", files.Write("memory.jinja", "{% for m in messages %}{{ m.content }}{% endfor %}"),
                "--max-length", "96", "--memory-limit", "8MiB", "--out", files.At("too-large")],
            "memory: training needs");
        CliRun.Refused(
            ["rl", files.Plain, "--tasks", "compare", "--steps", "1", "--prompts", "2", "--updates", "1", "--samples", "2", "--max-new-tokens", "8",
                "--pass-rates", "none", "--curriculum", "random", "--memory-limit", "4MiB", "--out", files.At("too-large-rl")],
            "memory: training needs", "--batch-tokens");
    }

    [Fact]
    public void Bench_train_prints_one_row_beside_its_ceiling()
    {
        string config = files.At("plain.json");
        var run = CliRun.Good("bench", "train", config, "--batch", "2x16", "--steps", "2", "--threads", "1", "--recompute", "selective", "--json");
        var row = Assert.Single(run.Json().EnumerateArray());
        Assert.Equal(
            ["name", "shape", "dtype", "threads", "device", "value", "unit", "ceiling", "ratio", "runs", "spread", "details"],
            row.EnumerateObject().Select(property => property.Name));
        Assert.Equal(("train", "f32", "GFLOP/s"), (Text(row, "name"), Text(row, "dtype"), Text(row, "unit")));
        Assert.StartsWith("2x16 2L 32d ", Text(row, "shape"));
        Assert.EndsWith(" recompute-selective", Text(row, "shape"));
        Assert.Equal((1, 2), (row.GetProperty("threads").GetInt32(), row.GetProperty("runs").GetInt32()));
        Assert.InRange(row.GetProperty("ratio").GetDouble(), 1e-6, 1);
        Assert.Equal(row.GetProperty("value").GetDouble() / row.GetProperty("ceiling").GetDouble(), row.GetProperty("ratio").GetDouble(), 0.5);

        var details = row.GetProperty("details");
        double Detail(string name) => details.GetProperty(name).GetDouble();
        Assert.Equal(32 / Detail("step_seconds"), Detail("tokens_per_second"), 1e-6 * Detail("tokens_per_second"));
        Assert.InRange(Detail("causal_gflops"), row.GetProperty("value").GetDouble() / 2, row.GetProperty("value").GetDouble());
        Assert.InRange(Detail("memory_used"), 0.95 * Detail("memory_planned"), Detail("memory_planned"));
        Assert.All(["forward", "losses", "backward", "optimizer"], part => Assert.True(Detail($"{part}_seconds") > 0, part));
        Assert.False(details.TryGetProperty("mfu_full", out _), "nobody publishes a peak of this processor");

        string table = CliRun.Good("bench", "train", files.Mixed, "--batch", "1x8", "--steps", "1", "--breakdown").Output;
        foreach (string part in (string[])["full", "causal", "losses", "adamw", "attention backward", "linear ", "swiglu forward"])
        {
            Assert.Contains(part, table);
        }

        CliRun.Refused(["bench", "train", "--batch", "4"], "--batch 4", "4x256");
        CliRun.Refused(["bench", "train", config, "--batch", "1x9", "--length", "8"], "--batch 1x9 --length 8");
        CliRun.Refused(["bench", "train", config, "--batch", "1x8", "--shape", "llama-3.2-1b"], "--shape llama-3.2-1b", config);
        CliRun.Refused(["bench", "train", config, "--batch", "1x8", "--precision", "bf16"], "--precision bf16", "--device cuda");
        CliRun.Refused(["bench", "train", config, "--batch", "1", "--length", "97"], "--batch 1", "96 positions");
        CliRun.Refused(["bench", "train", config, "--batch", "1x97"], "--batch 1x97", "96 positions");
        CliRun.Refused(["bench", "train", config, "--steps", "0"], "--steps 0");
        CliRun.Refused(["bench", "train", files.At("nothing.json")], "nothing.json");
    }

    private static string Text(JsonElement row, string name) => row.GetProperty(name).GetString()!;

    private static long Bytes(Match match) =>
        (long)(double.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture) * (match.Groups[2].Value == "M" ? 1 << 20 : 1 << 10));
}
