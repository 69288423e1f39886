using Tessera.Devices;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;
using Tessera.Puzzle.Tables;

namespace Tessera.Puzzle.Tests.Costs;

/// <summary>Cost tables of several loads: as a file, joined, and as loads of a search.</summary>
public sealed class CostSetTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-costs-").FullName;

    private static ModelConfiguration Model { get; } = PublishedShapes.Find("llama-3.2-1b")!;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Several_tables_and_a_single_one_come_back_from_their_file()
    {
        var (chat, rag) = (Table("chat", 8, 256), Table("rag", 2, 4096));
        string path = Path.Combine(_folder, "costs.json");
        CostTableFile.Write(path, new CostSet { Loads = [chat, rag] });
        var read = CostTableFile.ReadSet(path);
        Assert.Equal(["chat", "rag"], read.Loads.Select(table => table.Name!));
        Assert.All(read.Loads, table => Assert.True(table.IsPredicted));
        Assert.Equal((rag.Scenario, rag.Base), (read.Loads[1].Scenario, read.Loads[1].Base));
        Assert.Equal(rag.Mixers, read.Loads[1].Mixers);
        Assert.Equal($"{path}: there are several cost tables, expected one", Assert.Throws<InvalidDataException>(() => CostTableFile.Read(path)).Message);
        Assert.Same(read.Loads[1], read.Find(rag.Scenario, path));
        var error = Assert.Throws<InvalidDataException>(() => read.Find(rag.Scenario with { Batch = 3 }, "costs.json"));
        Assert.Equal(
            "costs.json: there are no costs for batch 3, 4096 in / 64 out, bf16, NVIDIA H100 80GB SXM, only for batch 8, 256 in / 64 out, bf16, NVIDIA H100 80GB SXM; batch 2, 4096 in / 64 out, bf16, NVIDIA H100 80GB SXM",
            error.Message);

        // One without a name is written as it ever was: no word of names and predictions.
        var measured = chat with { Name = null, IsPredicted = false };
        CostTableFile.Write(path, new CostSet { Loads = [measured] });
        Assert.DoesNotContain("predicted\":", File.ReadAllText(path), StringComparison.Ordinal);
        Assert.DoesNotContain("loads", File.ReadAllText(path), StringComparison.Ordinal);
        Assert.Equal(measured.Mixers, CostTableFile.Read(path).Mixers);
    }

    [Fact]
    public void Joining_replaces_what_has_the_same_name_and_scenario_and_refuses_other_models()
    {
        var old = new CostSet { Loads = [Table("chat", 8, 256), Table("rag", 2, 4096)] };
        var fresh = new CostSet { Loads = [Table("chat", 8, 256) with { Machine = "newer" }, Table("chat", 16, 256)] };
        var joined = old.With(fresh, "costs.json");
        Assert.Equal([("rag", 2), ("chat", 8), ("chat", 16)], joined.Loads.Select(table => (table.Name!, table.Scenario.Batch)));
        Assert.Equal("newer", joined.Loads[1].Machine);
        var other = PredictedCosts.Create(PublishedShapes.Find("llama-3.1-8b")!, Table("chat", 8, 256).Scenario, Hardware.Named[0]);
        var error = Assert.Throws<InvalidDataException>(() => old.With(new CostSet { Loads = [other] }, "costs.json"));
        Assert.Equal("costs.json: kv8 has 41947136 parameters in what is added and 10487808 there: another model", error.Message);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"loads\": []}")]
    [InlineData("{\"loads\": [null]}")]
    [InlineData("{\"loads\": 3}")]
    [InlineData("{\"loads\": [{}]}")]
    [InlineData("{\"version\": 2, \"loads\": []}")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("")]
    public void What_is_no_cost_table_is_refused_with_the_files_name(string text)
    {
        string path = Path.Combine(_folder, "bad.json");
        File.WriteAllText(path, text);
        Assert.StartsWith($"{path}: ", Assert.Throws<InvalidDataException>(() => CostTableFile.ReadSet(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_loads_of_a_file_join_the_tables_of_a_search_and_stay_marked_as_predicted()
    {
        var chat = Table("chat", 8, 256) with { IsPredicted = false };
        var tables = MeasuredTables.Create(Model, chat, (_, variant) => new Estimate(variant.Mixer is NoMixerConfiguration ? 1 : 0, 0, 1));
        tables = tables with { Loads = [tables.Loads[0] with { Scenario = "chat", Weight = 3 }] };
        var joined = MeasuredTables.With(tables, new CostSet { Loads = [Table("chat", 8, 256), Table("chat", 32, 256), Table("rag", 2, 4096)] }, null, "costs.json");
        Assert.Equal([("chat", 8, 3.0), ("chat", 32, 3.0), ("rag", 2, 1.0)], joined.Loads.Select(load => (load.Scenario, load.Batch, load.Weight)));
        Assert.All(joined.Loads, load => Assert.True(load.IsPredicted));
        string path = Path.Combine(_folder, "tables.json");
        SearchTablesWriter.Write(path, joined);
        Assert.True(SearchTablesReader.IsNamed(path));
        Assert.All(SearchTablesReader.Read(path).Loads, load => Assert.True(load.IsPredicted));
        var error = Assert.Throws<InvalidDataException>(
            () => MeasuredTables.With(tables, new CostSet { Loads = [Table("chat", 8, 256), Table("rag", 2, 4096)] }, "serving", "costs.json"));
        Assert.Equal("costs.json: there are the scenarios chat, rag, which cannot all be called serving", error.Message);
    }

    [Theory]
    [InlineData("chat=1,8,32x256+128", "chat 1 256 128|chat 8 256 128|chat 32 256 128")]
    [InlineData("4x16+1", " 4 16 1")]
    public void Loads_are_read_as_they_are_written(string text, string expected) => Assert.Equal(
        expected.Split('|'), NamedLoad.Parse(text, "--load").Select(load => $"{load.Name} {load.Batch} {load.InputLength} {load.OutputLength}"));

    [Theory]
    [InlineData("chat=")]
    [InlineData("=1x2+3")]
    [InlineData("chat=1x2")]
    [InlineData("chat=1x2+0")]
    [InlineData("chat=1x2x3+4")]
    [InlineData("chat=1,x2+3")]
    [InlineData("chat=-1x2+3")]
    [InlineData("chat=99999999999x2+3")]
    public void What_is_no_load_is_refused(string text) => Assert.Equal(
        $"--load {text}: expected NAME=BATCHxINPUT+OUTPUT, such as chat=1,8,32x256+128",
        Assert.Throws<ArgumentException>(() => NamedLoad.Parse(text, "--load")).Message);

    [Fact]
    public void One_name_has_one_pair_of_lengths_and_every_batch_once()
    {
        Assert.Contains("chat has several lengths", Assert.Throws<ArgumentException>(() => NamedLoad.ParseAll(["chat=1x2+3", "chat=2x2+4"], "--load")).Message, StringComparison.Ordinal);
        Assert.Contains("chat has batch 2 twice", Assert.Throws<ArgumentException>(() => NamedLoad.ParseAll(["chat=1,2x2+3", "chat=2x2+3"], "--load")).Message, StringComparison.Ordinal);
    }

    private static CostTable Table(string name, int batch, int input) => PredictedCosts.Create(
        Model, new ServingScenario(batch, input, 64, DType.BF16, 0) { Card = Hardware.Named[0].Label }, Hardware.Named[0]) with
    { Name = name };
}
