using System.Text.Json;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

/// <summary>The bundled model with <c>--dtype int8</c> and <c>int4</c>.</summary>
public sealed class QuantizedStorageTests(TinyModel files)
{
    private const int Problems = 100;
    private static readonly string Bundled = Path.Combine(SharedData.RepositoryRoot, "models", "tessera-arithmetic-4.8m");

    [Fact]
    public void The_bundled_model_solves_as_many_problems_and_predicts_its_own_solutions_as_well()
    {
        var (accuracy, error, text) = Solve("f32");
        var (int8, _, _) = Solve("int8");
        var (int4, _, _) = Solve("int4");
        Assert.InRange(int8, accuracy - (2 * error), 1);
        Assert.InRange(int4, accuracy - (4 * error), 1);

        // Nats a token; the model is nearly sure of its solutions, so the question is most of the figure.
        double expected = Nats("f32", text);
        Assert.InRange(Nats("bf16", text) / expected, 0.998, 1.002);
        Assert.InRange(Nats("int8", text) / expected, 0.995, 1.005);
        Assert.InRange(Nats("int4", text) / expected, 0.9, 1.1);
    }

    [Theory]
    [InlineData("int8")]
    [InlineData("int4")]
    public void Verbs_that_run_a_model_take_the_type_and_repeat_themselves(string type)
    {
        string ids = files.Write($"ids-{type}.jsonl", JsonSerializer.Serialize(new[] { files.Begin, 5, 6, 7, 8, 9 }));
        string[] generate = ["generate", files.Mixed, "--ids", ids, "--dtype", type, "--max-new-tokens", "6", "--ignore-eos", "--threads"];
        string output = CliRun.Good([.. generate, "1"]).Output;
        Assert.Equal(6, JsonSerializer.Deserialize<int[]>(output)!.Length);
        Assert.Equal(output, CliRun.Good([.. generate, "2"]).Output);
        string[] perplexity = ["perplexity", files.Mixed, "--ids", ids, "--dtype", type, "--json", "--threads"];
        Assert.Equal(CliRun.Good([.. perplexity, "1"]).Output, CliRun.Good([.. perplexity, "2"]).Output);
        CliRun.Refused(["export", files.Mixed, "--format", "hf", "--out", files.At("export"), "--dtype", type], type);
    }

    [Theory]
    [InlineData("generate")]
    [InlineData("perplexity")]
    public void The_processor_refuses_fp8_in_one_sentence(string verb)
    {
        string ids = files.Write("ids-fp8.jsonl", JsonSerializer.Serialize(new[] { files.Begin, 5, 6 }));
        CliRun.Refused([verb, files.Mixed, "--ids", ids, "--dtype", "fp8"], "--dtype fp8", "compute capability 8.9", "--device cuda");
    }

    private (double Accuracy, double Error, string Text) Solve(string type)
    {
        string samples = files.At($"solved-{type}.jsonl");
        var json = CliRun.Good("tasks", "score", Bundled, "--count", $"{Problems}", "--dtype", type, "--samples", samples, "--json").Json();
        var rows = File.ReadLines(samples).Select(line => JsonDocument.Parse(line).RootElement).Select(row => JsonSerializer.Serialize(
            new { text = row.GetProperty("question").GetString() + row.GetProperty("completion").GetString() }));
        return (
            json.GetProperty("accuracy").GetDouble(), Math.Max(json.GetProperty("standard_error").GetDouble(), 1.0 / Problems),
            files.Write($"text-{type}.jsonl", string.Join('\n', rows) + "\n"));
    }

    private static double Nats(string type, string text) =>
        CliRun.Good("perplexity", Bundled, "--text", text, "--dtype", type, "--json").Json().GetProperty("nats_per_token").GetProperty("value").GetDouble();
}
