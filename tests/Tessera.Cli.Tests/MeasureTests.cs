using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Tables;

namespace Tessera.Cli.Tests;

public sealed class MeasureTests(TinyModel files)
{
    [Fact]
    public void Several_loads_are_measured_in_one_call_and_searched_from_one_file()
    {
        string path = files.At("loads.json");
        string text = CliRun.Good(
            "measure", files.Plain, "--load", "chat=2x8+4", "--load", "rag=1x40+4", "--rounds", "1", "--threads", "1", "--out", path).Output;
        Assert.Contains("chat: batch 2, 8 in / 4 out, bf16, 1 threads", text, StringComparison.Ordinal);
        Assert.Contains("rag: batch 1, 40 in / 4 out, bf16, 1 threads", text, StringComparison.Ordinal);
        Assert.DoesNotContain("predicted", text, StringComparison.Ordinal);
        var set = CostTableFile.ReadSet(path);
        Assert.Equal(["chat", "rag"], set.Loads.Select(table => table.Name!));
        Assert.All(set.Loads, table => Assert.False(table.IsPredicted));

        // A later prediction of one of them takes its place; the others stay.
        CliRun.Good("measure", files.Plain, "--predict", "this", "--load", "chat=1,2x8+4", "--threads", "1", "--into", path);
        set = CostTableFile.ReadSet(path);
        Assert.Equal([("rag", 1, false), ("chat", 1, true), ("chat", 2, true)], set.Loads.Select(table => (table.Name!, table.Scenario.Batch, table.IsPredicted)));
        CliRun.Refused(["measure", files.Mixed, "--predict", "h100", "--load", "chat=2x8+4", "--into", path], path, "another model");
    }

    [Fact]
    public void Predictions_join_the_tables_of_a_search_which_says_what_they_are()
    {
        var model = PublishedShapes.Find("llama-3.2-1b")!;
        var scenario = new ServingScenario(1, 64, 64, Devices.DType.BF16, 0) { Card = "card" };
        string path = files.At("tables.json");
        SearchTablesWriter.Write(path, MeasuredTables.Create(
            model, PredictedCosts.Create(model, scenario, Hardware.Named[0]) with { IsPredicted = false },
            (layer, variant) => new Estimate(Score(model, layer, variant), 0, 1)));
        string[] limits = ["--scenario", "chat", "--target", "throughput>=1.1x", "--pin", "4-15"];
        CliRun.Refused(["search", path, .. limits], "chat");
        CliRun.Good("measure", "random:llama-3.2-1b", "--predict", "rtx4090", "--load", "chat=1,16x1024+256", "--into", path);
        string text = CliRun.Good(["search", path, "--out", files.At("searched"), "--batch", "16", .. limits]).Output;
        Assert.Contains("batch 16, 1024 in / 256 out, bf16, NVIDIA GeForce RTX 4090, predicted", text, StringComparison.Ordinal);
        Assert.Contains("\"predicted\": true", File.ReadAllText(Path.Combine(files.At("searched"), "search.json")), StringComparison.Ordinal);
        Assert.Contains("times predicted and not measured", File.ReadAllText(Path.Combine(files.At("searched"), "report.html")), StringComparison.Ordinal);
    }

    [Fact]
    public void One_load_without_a_name_is_written_as_the_plain_table()
    {
        string path = files.At("plain-costs.json");
        var json = CliRun.Good(
            "measure", "random:llama-3.1-8b", "--predict", "h100", "--batch", "64", "--input-length", "128", "--output-length", "64", "--out", path, "--json").Json();
        Assert.True(json.GetProperty("predicted").GetBoolean());
        Assert.Equal("NVIDIA H100 80GB SXM", json.GetProperty("scenario").GetProperty("card").GetString());
        Assert.Equal(176_164_864, json.GetProperty("feed_forwards").GetProperty("ffn14336").GetProperty("parameters").GetInt64());
        Assert.Equal(64, CostTableFile.Read(path).Scenario.Batch);
    }

    [Fact]
    public void What_does_not_go_together_is_refused_before_anything_is_measured()
    {
        CliRun.Refused(["measure", files.Plain, "--load", "1x8+4", "--batch", "2"], "--batch: give it or --load, not both");
        CliRun.Refused(["measure", files.Plain, "--load", "chat"], "--load chat: expected NAME=BATCHxINPUT+OUTPUT");
        CliRun.Refused(["measure", files.Plain, "--load", "1x80+40"], "--load: prompts of 80 and outputs of 40: the model takes at most 96 positions");
        CliRun.Refused(["measure", files.Plain, "--predict", "abacus"], "--predict abacus: expected one of h100");
        CliRun.Refused(["measure", files.Plain, "--out", files.At("a.json"), "--into", files.At("b.json")], "--out, --into: give one of them");
        string damaged = files.Write("damaged.json", "{\"loads\": [");
        CliRun.Refused(["measure", files.Plain, "--predict", "h100", "--into", damaged], "damaged.json");
        Assert.Equal("{\"loads\": [", File.ReadAllText(damaged));
    }

    [Fact]
    public void A_compression_takes_the_costs_of_its_scenario_out_of_several_and_calls_predictions_by_their_name()
    {
        string costs = files.At("of-several.json"), output = files.At("from-predictions");
        CliRun.Good("measure", files.Plain, "--predict", "this", "--threads", "1", "--load", "1x8+4", "--load", "chat=2x8+4", "--out", costs);
        string[] run =
        [
            "compress", files.Plain, "--target", "parameters<=90%", "--tasks", "all", "--costs", costs, "--threads", "1", "--input-length", "8", "--output-length", "4",
            "--calibration-tokens", "128", "--scoring-tokens", "128", "--batch-tokens", "128", "--max-length", "96", "--block-steps", "0", "--heal-steps", "0",
            "--heal-batch-tokens", "128", "--problems", "0", "--rounds", "1",
        ];
        CliRun.Refused([.. run, "--batch", "3", "--out", output], "there are no costs for batch 3, 8 in / 4 out");
        CliRun.Good([.. run, "--batch", "2", "--out", output]);
        Assert.True(SearchTablesReader.Read(Path.Combine(output, "tables.json")).Loads[0].IsPredicted);
        string report = File.ReadAllText(Path.Combine(output, "report.html"));
        Assert.Contains("Predicted costs of a half, not measured", report, StringComparison.Ordinal);
        Assert.DoesNotContain("Measured costs of a half", report, StringComparison.Ordinal);
    }

    /// <summary>Damage that grows with what is taken away, and with the depth.</summary>
    private static double Score(ModelConfiguration model, int layer, BlockVariant variant)
    {
        double taken = 1 - ((double)(variant.Mixer.ParameterCount(model) + variant.FeedForward.ParameterCount(model))
            / (model.MixerParameterCount(layer) + model.FeedForwardParameterCount(layer)));
        return taken * taken * (1 + (0.37 * layer));
    }
}
