using System.Text.Json;
using Tessera.Models.Safetensors;
using Tessera.Runs;

namespace Tessera.Cli.Tests;

/// <summary>Phases of the healing, continued pre-training, and what a run tells of both.</summary>
public sealed class HealTests(TinyModel files)
{
    [Fact]
    public void A_schedule_of_lengths_and_continued_pretraining_are_told_token_by_token()
    {
        string run = files.At("heal-lengths"), text = Text("heal.txt", 900, "plus"), other = Text("heal-other.txt", 500, "and");
        string blend = files.Write("heal-blend.yaml", $"sources:\n  prose: {{text: [{other}], weight: 3}}\n  sums: {{tasks: add}}\n");
        string[] arguments =
        [
            .. Compress(run), "--text", text, "--heal-lengths", "24x6,80x900tok", "--heal-batch-tokens", "128", "--heal-patience", "3",
            "--pretrain-tokens", "1500", "--pretrain-data", blend, "--pretrain-batch-tokens", "96", "--pretrain-schedule", "wsd", "--pretrain-decay", "0.5",
            "--pretrain-kl", "0.5", "--json",
        ];
        var json = CliRun.Good(arguments).Json();
        var healing = json.GetProperty("healing");
        var phases = healing.GetProperty("phases").EnumerateArray().Select(phase =>
            (phase.GetProperty("length").GetInt32(), phase.GetProperty("steps").GetInt32(), phase.GetProperty("tokens").GetInt64())).ToList();
        Assert.Equal([(24, 6), (80, 8)], phases.Select(phase => (phase.Item1, phase.Item2)));

        // Whole documents: a batch of 128 tokens holds five of 24, or one of 80 and what fits beside it.
        var rows = Metrics(run, "heal-*");
        Assert.Equal(phases[0].Item3, rows.Where(row => row.Step <= 6).Sum(row => (long)row.Values.GetValueOrDefault("tokens")));
        Assert.InRange(phases[0].Item3, 6 * 100, 6 * 128);
        Assert.All(rows.Where(row => row.Values.ContainsKey("validation.divergence")), row =>
            Assert.True(row.Values["validation.divergence@24"] > 0 && row.Values["validation.divergence@80"] > 0 && row.Values["validation.loss"] > 0));

        var pretraining = healing.GetProperty("pretraining");
        Assert.Equal(16, pretraining.GetProperty("steps").GetInt32());
        Assert.Equal(Metrics(run, "pretrain-*").Sum(row => (long)row.Values.GetValueOrDefault("tokens")), pretraining.GetProperty("tokens").GetInt64());
        long[] dealt = [.. pretraining.GetProperty("sources").EnumerateArray().Select(source => source.GetProperty("tokens").GetInt64())];
        Assert.InRange(dealt[0] / (double)dealt.Sum(), 0.6, 0.9);
        Assert.True(pretraining.GetProperty("loss_after").GetDouble() < pretraining.GetProperty("loss_before").GetDouble());
        var peaks = Metrics(run, "pretrain-*").Where(row => row.Values.ContainsKey("learning_rate")).Select(row => row.Values["learning_rate"]).ToList();

        // One step of warm-up, which has the peak already, and half of the fifteen behind it.
        Assert.Equal(9, peaks.Count(rate => rate == peaks.Max()));

        var positions = healing.GetProperty("positions");
        Assert.Equal(80, positions.GetProperty("length").GetInt32());
        Assert.Equal([(0, 64), (64, 80), (0, 80)], positions.GetProperty("rows").EnumerateArray().Select(row =>
            (row.GetProperty("from").GetInt32(), row.GetProperty("to").GetInt32())));

        string child = Path.Combine(run, "child"), card = File.ReadAllText(Path.Combine(child, "README.md"));
        Assert.Contains($"Healed by distillation from its parent on {phases.Sum(phase => phase.Item3):N0} tokens", card, StringComparison.Ordinal);
        Assert.Contains("Continued pre-training on ", card, StringComparison.Ordinal);
        Assert.Contains("prose ", card, StringComparison.Ordinal);
        Assert.Contains("| 64–79 | ", card, StringComparison.Ordinal);
        using (var weights = SafetensorsCheckpoint.Open(child))
        {
            Assert.True(weights.Files[0].Metadata.ContainsKey("tessera.pretraining"));
        }

        string report = File.ReadAllText(Path.Combine(run, "report.html"));
        Assert.Contains("By position", report, StringComparison.Ordinal);
        Assert.Contains("Continued pre-training", report, StringComparison.Ordinal);

        // Forgotten but for its stages, the run ends with the same bytes and words.
        byte[] bytes = File.ReadAllBytes(Path.Combine(child, "model.safetensors"));
        foreach (string stage in Directory.GetDirectories(run, "result-*"))
        {
            Directory.Delete(stage, recursive: true);
        }

        Assert.Equal(healing.GetRawText(), CliRun.Good(arguments).Json().GetProperty("healing").GetRawText());
        Assert.Equal(bytes, File.ReadAllBytes(Path.Combine(child, "model.safetensors")));
    }

    [Fact]
    public void Without_any_of_it_a_result_has_no_word_of_it_and_accuracy_comes_on_request()
    {
        string run = files.At("heal-plain");
        var json = CliRun.Good([.. Compress(run), "--tasks", "add", "--heal-steps", "3", "--heal-batch-tokens", "128", "--heal-problems", "4", "--json"]).Json();
        Assert.False(json.TryGetProperty("healing", out _));
        Assert.Equal(4, Assert.Single(Metrics(run, "heal-*"), row => row.Values.ContainsKey("validation.problems")).Values["validation.problems"]);
        Assert.Contains("on the way", File.ReadAllText(Path.Combine(run, "report.html")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--heal-lengths '16': expected LENGTHxSTEPS", "--heal-lengths", "16")]
    [InlineData("--heal-lengths has steps of its own: leave --heal-steps out", "--heal-lengths", "16x2", "--heal-steps", "2")]
    [InlineData("--heal-lengths 400: the model takes at most 96 positions", "--heal-lengths", "400x2", "--heal-batch-tokens", "512")]
    [InlineData("--heal-batch-tokens 64: expected at least the longest of --heal-lengths, 80", "--heal-lengths", "80x2", "--heal-batch-tokens", "64")]
    [InlineData("--test-length 97: the model takes at most 96 positions", "--test-length", "97")]
    [InlineData("--heal-patience -1: expected at least 0", "--heal-patience", "-1")]
    [InlineData("--heal-temperature 0: expected a number", "--heal-temperature", "0")]
    [InlineData("--pretrain-steps needs --pretrain-data BLEND", "--pretrain-steps", "2")]
    [InlineData("--pretrain-tokens needs --pretrain-data BLEND", "--pretrain-tokens", "2K")]
    [InlineData("--pretrain-lr needs --pretrain-steps or --pretrain-tokens", "--pretrain-lr", "1e-3")]
    [InlineData("give --pretrain-steps or --pretrain-tokens, not both", "--pretrain-steps", "2", "--pretrain-tokens", "2K", "--pretrain-data", "none.yaml")]
    [InlineData("--pretrain-schedule flat: expected constant, cosine, linear or wsd", "--pretrain-steps", "2", "--pretrain-data", "none.yaml", "--pretrain-schedule", "flat")]
    [InlineData("--pretrain-decay 0.3: only --pretrain-schedule wsd", "--pretrain-steps", "2", "--pretrain-data", "none.yaml", "--pretrain-decay", "0.3")]
    [InlineData("--pretrain-length 97: expected 2 to 96", "--pretrain-steps", "2", "--pretrain-data", "none.yaml", "--pretrain-length", "97")]
    [InlineData("none.yaml", "--pretrain-steps", "2", "--pretrain-data", "none.yaml")]
    public void Bad_input_is_refused_with_one_sentence(string sentence, params string[] options)
    {
        string run = files.At("heal-refused");
        CliRun.Refused([.. Compress(run), "--tasks", "add", .. options], sentence);
        Assert.False(Directory.Exists(run));
    }

    [Fact]
    public void A_fusion_is_healed_in_phases_too()
    {
        string run = files.At("heal-fused");
        var json = CliRun.Good(
            "fuse", files.Free, "--text", Text("heal-fuse.txt", 700, "plus"), "--max-length", "48", "--calibration-tokens", "128", "--scoring-tokens", "128",
            "--batch-tokens", "96", "--input-length", "8", "--output-length", "4", "--rounds", "1", "--threads", "2", "--heal-lengths", "16x2,64x2",
            "--heal-batch-tokens", "96", "--out", run, "--json").Json();
        Assert.Equal(4, json.GetProperty("healing_steps").GetInt32());
        Assert.Equal(64, json.GetProperty("healing").GetProperty("positions").GetProperty("length").GetInt32());
        CliRun.Refused(
            ["fuse", files.Free, "--max-length", "48", "--input-length", "8", "--output-length", "4", "--test-length", "64", "--out", files.At("heal-no-data")],
            "--test-length needs data");
    }

    private string Text(string name, int lines, string word) =>
        files.Write(name, string.Concat(Enumerable.Range(0, lines).Select(i => $"{i} {word} {i} is {2 * i}.\n")));

    private string[] Compress(string output) =>
    [
        "compress", files.Plain, "--target", "parameters<=85%", "--max-length", "64", "--calibration-tokens", "128", "--scoring-tokens", "256", "--batch-tokens", "96",
        "--block-steps", "0", "--problems", "3", "--rounds", "1", "--input-length", "8", "--output-length", "4", "--dtype", "f32", "--threads", "2", "--out", output,
    ];

    private static List<MetricsRow> Metrics(string run, string stage) =>
        [.. MetricsWriter.Read(Path.Combine(Directory.GetDirectories(run, stage).Single(), "metrics.jsonl"))];
}
