using System.Text.Json;
using Tessera.Models.Checkpoints;

namespace Tessera.Cli.Tests;

public sealed class FuseTests(TinyModel files)
{
    [Fact]
    public void Runs_are_found_fused_healed_and_reported()
    {
        string output = files.At("fuse-found");
        string[] arguments =
        [
            "fuse", files.Free, "--tasks", "compare", "--levels", "1", "--calibration-tokens", "256", "--scoring-tokens", "128",
            "--batch-tokens", "128", "--max-length", "96", "--problems", "8", "--input-length", "8", "--output-length", "4", "--rounds", "1",
            "--heal-steps", "5", "--heal-batch-tokens", "128", "--dtype", "f32", "--threads", "2", "--out", output,
        ];
        var json = CliRun.Good([.. arguments, "--json"]).Json();
        var fusion = json.GetProperty("fusion");
        Assert.Equal("1-2", Assert.Single(fusion.GetProperty("runs").EnumerateArray()).GetString());
        Assert.Equal(0, Divergence(fusion.GetProperty("before").GetProperty("divergence")));
        Assert.True(Divergence(fusion.GetProperty("after").GetProperty("divergence")) > 0);
        Assert.Equal(8, fusion.GetProperty("after").GetProperty("problems").GetInt32());
        Assert.True(fusion.GetProperty("decode_speed_up").GetDouble() > 0);
        Assert.Contains("Dependency of layers", File.ReadAllText(Path.Combine(output, "report.html")), StringComparison.Ordinal);

        Assert.Equal(
            ["kv2 ffn48", "none ffn48", "none ffn24", "kv2 ffn48"], Layers(Path.Combine(output, "child")));
        byte[] weights = File.ReadAllBytes(Path.Combine(output, "child", "model.safetensors"));
        string text = CliRun.Good(arguments).Output;
        Assert.Contains("runs 1-2;", text, StringComparison.Ordinal);
        Assert.Contains("child (5 steps)", text, StringComparison.Ordinal);
        Assert.Equal(weights, File.ReadAllBytes(Path.Combine(output, "child", "model.safetensors")));
    }

    [Fact]
    public void Runs_chosen_by_hand_need_no_data_and_give_a_model_for_every_form()
    {
        string output = files.At("fuse-hand");
        var json = Quick(output, "--runs", "0-3", "--json").Json();
        Assert.Equal(JsonValueKind.Null, json.GetProperty("fusion").GetProperty("after").GetProperty("divergence").ValueKind);
        string child = Path.Combine(output, "child");
        Assert.Equal(["kv2 ffn120", "kv2 ffn48"], Layers(child));
        foreach (string format in (string[])["llama", "hf"])
        {
            CliRun.Good("export", child, "--format", format, "--out", files.At("fused-as-" + format));
        }

        CliRun.Good("export", child, "--format", "gguf", "--out", files.At("fused.gguf"));
    }

    [Fact]
    public void A_threshold_that_nothing_meets_is_said_with_the_place_of_the_measurements()
    {
        string[] data = ["--text", files.Write("fuse.txt", string.Concat(Enumerable.Range(0, 600).Select(i => $"{i} plus {i} is {2 * i}.\n")))];
        CliRun.Refused(
            [.. Base(files.At("fuse-none")), .. data, "--scoring-tokens", "64", "--calibration-tokens", "64", "--threshold", "0"],
            "no two feed-forwards", "at most 0", "dependency.json");
    }

    [Theory]
    [InlineData("--threshold needs data", "--threshold", "0.1")]
    [InlineData("--heal-steps needs data", "--heal-steps", "3")]
    [InlineData("--threshold 3: expected a number from 0 to 2", "--threshold", "3")]
    [InlineData("--threshold cuts runs that are found", "--threshold", "1", "--runs", "1-2")]
    [InlineData("--last cuts runs that are found", "--last", "--runs", "1-2")]
    [InlineData("--max-width 0: expected at least 1", "--max-width", "0")]
    [InlineData("that these settings let fuse", "--max-width", "40")]
    [InlineData("run 'x': expected FIRST-LAST", "--runs", "x")]
    [InlineData("run 2-4: layer 4 has a mixer (kv2)", "--runs", "2-4")]
    [InlineData("run 3-9: the model has layers 0 to 4", "--runs", "3-9")]
    [InlineData("--tasks or --text", "--tasks", "all", "--text", "none.txt")]
    public void Bad_input_is_refused_with_one_sentence(string sentence, params string[] options)
    {
        string output = files.At("fuse-refused");
        CliRun.Refused([.. Base(output), .. options], sentence == "--tasks or --text" ? "give either --text" : sentence);
        Assert.False(Directory.Exists(output));
    }

    [Fact]
    public void Whole_blocks_are_found_by_their_dependencies_fused_and_exported()
    {
        string output = files.At("fuse-blocks");
        string text = files.Write("blocks.txt", string.Concat(Enumerable.Range(0, 400).Select(i => $"{i} plus {i} is {2 * i}.\n")));
        var json = CliRun.Good(
            "fuse", files.Plain, "--blocks", "--window", "2", "--text", text, "--max-length", "48", "--calibration-tokens", "96", "--scoring-tokens", "96",
            "--batch-tokens", "96", "--input-length", "8", "--output-length", "4", "--rounds", "1", "--threads", "2", "--heal-steps", "2", "--heal-batch-tokens", "96",
            "--out", output, "--json").Json();
        var fusion = json.GetProperty("fusion");
        Assert.True(fusion.GetProperty("whole_blocks").GetBoolean());
        Assert.Equal("0-1", Assert.Single(fusion.GetProperty("runs").EnumerateArray()).GetString());
        Assert.True(Divergence(fusion.GetProperty("after").GetProperty("divergence")) > 0);
        string child = Path.Combine(output, "child");

        // Its only layer has all the heads, which are the model's then: a plain Llama.
        Assert.Equal(["kv4 ffn96"], Layers(child));
        Assert.Equal(8, ModelFolder.ReadConfiguration(child).HeadCount);
        CliRun.Good("export", child, "--format", "gguf", "--out", files.At("fused-blocks.gguf"));

        CliRun.Refused(
            ["fuse", files.Mixed, "--blocks", "--runs", "0-1", "--input-length", "8", "--output-length", "4", "--out", files.At("fuse-no-blocks")],
            "run 0-1: layer 1 has no attention (none)");
        CliRun.Refused(
            ["fuse", files.Plain, "--blocks", "--window", "2", "--input-length", "8", "--output-length", "4", "--out", files.At("fuse-no-blocks")],
            "--blocks needs data");
        CliRun.Refused(
            ["fuse", files.Plain, "--blocks", "--text", text, "--input-length", "8", "--output-length", "4", "--out", files.At("fuse-no-blocks")],
            "no 4 neighbouring layers with attention and SwiGLU");
        CliRun.Refused(
            ["fuse", files.Plain, "--window", "2", "--input-length", "8", "--output-length", "4", "--out", files.At("fuse-no-blocks")], "--window is for whole blocks");
    }

    [Fact]
    public void A_compression_fuses_whole_blocks_of_its_child()
    {
        string output = files.At("compress-blocks");
        var json = CliRun.Good(
            "compress", files.Plain, "--target", "parameters<=95%", "--tasks", "add", "--max-length", "96", "--calibration-tokens", "128",
            "--scoring-tokens", "128", "--batch-tokens", "128", "--block-steps", "0", "--problems", "2", "--rounds", "1", "--input-length", "8", "--output-length", "4",
            "--heal-steps", "0", "--heal-batch-tokens", "128", "--exclude", "attention:none", "--exclude", "attention:linear", "--exclude", "ffn:none", "--exclude", "ffn:linear", "--fuse", "blocks",
            "--fuse-window", "2", "--threads", "2", "--out", output, "--json").Json();
        var fusion = json.GetProperty("fusion");
        Assert.Equal("0-1", Assert.Single(fusion.GetProperty("runs").EnumerateArray()).GetString());
        Assert.True(fusion.GetProperty("parent").GetProperty("decode_seconds").GetDouble() > 0);
        Assert.Single(Layers(Path.Combine(output, "child")));
        CliRun.Refused(
            ["compress", files.Plain, "--target", "parameters<=95%", "--tasks", "add", "--max-length", "96", "--input-length", "8", "--output-length", "4", "--fuse", "all", "--out",
                files.At("fuse-all")],
            "--fuse all: expected ffn, blocks, or nothing behind it");
    }

    [Fact]
    public void Models_without_neighbours_to_fuse_are_refused()
    {
        CliRun.Refused(["fuse", files.Plain, "--input-length", "8", "--output-length", "4", "--out", files.At("fuse-plain")], "no two neighbouring feed-forwards");
        CliRun.Refused(["fuse", files.Free, "--input-length", "8", "--output-length", "4", "--runs", "1-2", "--out", files.Free], "this folder is an input");
        CliRun.Refused(
            ["compress", files.Free, "--target", "parameters<=90%", "--tasks", "all", "--max-length", "96", "--input-length", "8", "--output-length", "4",
                "--fuse-last", "--out", files.At("fuse-compress")],
            "--fuse-last needs --fuse");
    }

    private string[] Base(string output) =>
        ["fuse", files.Free, "--max-length", "96", "--input-length", "8", "--output-length", "4", "--rounds", "1", "--threads", "2", "--out", output];

    private CliRun Quick(string output, params string[] options) => CliRun.Good([.. Base(output), .. options]);

    private static IEnumerable<string> Layers(string folder) => ModelFolder.ReadConfiguration(folder).Layers.Select(layer => layer.ToString());

    private static double Divergence(JsonElement estimate) => estimate.GetProperty("mean").GetDouble();
}
