using System.Diagnostics;
using System.Text.Json;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

/// <summary>What plan tells, beside what a run then takes.</summary>
public sealed class PlanTests(TinyModel files)
{
    /// <summary>What the estimates are held to: not more than this factor beside what a real run took, either way.</summary>
    private const double Factor = 2.5;

    [Fact]
    public void A_shape_that_is_nowhere_on_this_machine_is_planned_for_a_card_that_is_not_here()
    {
        string[] run = ["plan", "compress", "random:llama-3.1-8b", "--on", "h100", "--heal-steps", "100", "--recompute", "full"];
        var plan = CliRun.Good([.. run, "--json"]).Json();
        var parts = Parts(plan);
        Assert.Equal(["measure", "library", "scores", "search and realise", "heal and write"], parts.Keys);
        Assert.All(parts.Values, part => Assert.True(Number(part, "seconds") > 0 && Number(part, "disk_bytes") > 0));
        // Library and scores pass one layer after the other: the head with 128,256 rows of 4,096 in f32, and some of 32 layers.
        Assert.All([parts["library"], parts["scores"]], part => Assert.InRange(Number(part, "memory_bytes"), 4.0 * 128_256 * 4096, 10e9));
        Assert.All([parts["measure"], parts["search and realise"]], part => Assert.True(Number(part, "memory_bytes") > 15e9));
        // Weights, both moments and gradients of a child as large as its parent, beside the parent, in f32: 5 · 4 bytes of 8.03 billion.
        Assert.InRange(Number(parts["heal and write"], "memory_bytes"), 20 * 8.03e9, 500e9);
        Assert.False(parts["heal and write"].GetProperty("fits").GetBoolean());
        Assert.True(parts["measure"].GetProperty("fits").GetBoolean());
        Assert.Equal(32L * 11, JobCount(parts["library"]));
        Assert.Equal(parts.Values.Sum(part => Number(part, "seconds")) / 3600, Number(plan, "device_hours"), 1e-9);

        // The same by the name that it has on a hub, without looking there; and less of it where costs are given.
        var known = CliRun.Good(["plan", "compress", "hf:meta-llama/Llama-3.1-8B-Instruct", .. run[3..], "--json"]).Json();
        Assert.Equal(Number(plan, "device_hours"), Number(known, "device_hours"));
        Assert.DoesNotContain("measure", Parts(CliRun.Good([.. run, "--costs", "costs.json", "--json"]).Json()).Keys);
        string text = CliRun.Good(run).Output;
        Assert.Contains("on NVIDIA H100 80GB SXM, 74.5 GiB of memory; estimated from shapes, nothing was started", text, StringComparison.Ordinal);
        Assert.Contains("!: more than NVIDIA H100 80GB SXM has", text, StringComparison.Ordinal);
    }

    [Fact]
    public void More_of_everything_takes_more_of_it()
    {
        Dictionary<string, JsonElement> Plan(params string[] more) => Parts(
            CliRun.Good(["plan", "compress", "random:llama-3.2-1b", "--on", "a100", "--json", .. more]).Json());
        var few = Plan();
        void Grows(string stage, string figure, double atLeast, params string[] more) => Assert.InRange(
            Number(Plan(more)[stage], figure) / Number(few[stage], figure), atLeast, 1e6);
        Grows("library", "seconds", 1.9, "--calibration-tokens", "32768", "--block-steps", "64");
        Grows("library", "memory_bytes", 1.001, "--calibration-tokens", "65536");
        Grows("scores", "operations", 1.999, "--scoring-tokens", "12288");
        Grows("heal and write", "operations", 5, "--heal-steps", "1600");
        Grows("heal and write", "memory_bytes", 1.01, "--heal-batch-tokens", "16384");
        Grows("measure", "seconds", 1.5, "--rounds", "18");
        Grows("search and realise", "seconds", 1.5, "--output-length", "384");
    }

    [Fact]
    public void A_small_run_leaves_the_halves_and_the_bytes_that_were_planned()
    {
        string output = files.At("planned-run");
        string[] run = Run(files.Plain, "--costs", files.At("planned-costs.json"));
        CliRun.Good("measure", files.Plain, "--predict", "this", "--threads", "1", "--batch", "2", "--input-length", "8", "--output-length", "4", "--out", files.At("planned-costs.json"));
        var parts = Parts(CliRun.Good(["plan", "compress", .. run, "--json"]).Json());
        Assert.False(Directory.Exists(output));
        CliRun.Good(["compress", .. run, "--out", output]);
        string[] halves = Directory.GetFiles(Stage(output, "library"), "*.safetensors", SearchOption.AllDirectories);
        // Headers of the files are beside the weights, which alone are planned.
        double weights = halves.Sum(path => new FileInfo(path).Length - (8 + BitConverter.ToInt64(File.ReadAllBytes(path))));
        Assert.InRange(Number(parts["library"], "disk_bytes") / weights, 0.99, Factor);
        long trained = new DirectoryInfo(Stage(output, "heal")).EnumerateFiles().Concat(new DirectoryInfo(Path.Combine(output, "child")).EnumerateFiles("*.safetensors")).Sum(file => file.Length);
        Assert.InRange(Number(parts["heal and write"], "disk_bytes") / trained, 1 / Factor, Factor);
    }

    [Fact]
    public void A_recipe_is_planned_stage_by_stage_with_shapes_that_earlier_stages_hand_on()
    {
        string recipe = files.Write("planned.yaml", $$"""
            name: planned
            stages:
              - name: child
                run: compress
                arguments: {{files.Plain}}
                options: {target: parameters<=80%, tasks: all, max-length: 64, batch-tokens: 256, heal-batch-tokens: 256, input-length: 8, output-length: 8}
              - name: longer
                run: distill
                arguments: ${stages.child}/child
                options: {teacher: "{{files.Plain}}", tasks: all, steps: 20, batch-tokens: 256, max-length: 64}
              - name: unknown
                run: sft
                arguments: hf:somebody/something
                options: {tasks: all}
              - name: scores
                run: eval
                arguments: ${stages.longer}
                options: {thinking: plain, count: 10, max-new-tokens: 16}
            """);
        var plan = CliRun.Good("plan", recipe, "--on", "rtx4090", "--json").Json();
        var stages = plan.GetProperty("stages").EnumerateArray().ToList();
        Assert.Equal(["child", "longer", "unknown", "scores"], stages.Select(stage => stage.GetProperty("stage").GetString()!));
        Assert.Equal([5, 1, 0, 1], stages.Select(stage => stage.GetProperty("parts").GetArrayLength()));
        Assert.StartsWith("the shape of hf:somebody/something is not known here", stages[2].GetProperty("unknown").GetString(), StringComparison.Ordinal);
        Assert.Contains("20 steps of 256 tokens", CliRun.Good("plan", recipe, "--on", "rtx4090").Output, StringComparison.Ordinal);
        Assert.False(Directory.Exists("runs/planned"));
    }

    [Fact]
    public void The_recipe_for_one_card_fits_on_it_beside_a_child_as_large_as_its_limits_allow()
    {
        string recipe = Path.Combine(SharedData.RepositoryRoot, "recipes", "8b-one-gpu.yaml");
        var stages = CliRun.Good("plan", recipe, "--on", "h100", "--json").Json().GetProperty("stages").EnumerateArray().ToList();
        Assert.All(stages.SelectMany(stage => stage.GetProperty("parts").EnumerateArray()), part => Assert.True(part.GetProperty("fits").GetBoolean(), $"{part}"));
        string larger = files.Write("larger.yaml", File.ReadAllText(recipe).Replace(", parameters<=65%", string.Empty, StringComparison.Ordinal));
        Assert.Contains("!: more than", CliRun.Good("plan", larger, "--on", "h100").Output, StringComparison.Ordinal);
    }

    // Measured on such a card: 32.5 GiB at most, 8.9 with the layers of the scores in a cap of 12 (benchmarks/RESULTS.md).
    [Fact]
    public void What_a_card_held_of_a_shape_in_bf16_was_planned()
    {
        string[] run =
        [
            "plan", "compress", "random:llama-3.1-8b", "--on", "h100", "--ids", "drawn", "--target", "throughput>=1.5x", "--distill-layers", "0,10,21,31",
            "--calibration-tokens", "8192", "--scoring-tokens", "2048", "--batch-tokens", "4096", "--max-length", "1024", "--batch", "64",
            "--input-length", "128", "--output-length", "128", "--rounds", "1", "--decode-steps", "16", "--heal-steps", "0", "--problems", "0",
            "--variants", "attention:parent,kv1,none ffn:parent,50%,25%,none", "--json",
        ];
        var plan = CliRun.Good([.. run, "--precision", "bf16"]).Json();
        Assert.InRange(Number(plan, "memory_bytes"), 0.9 * 32.5 * (1L << 30), 1.1 * 32.5 * (1L << 30));
        var (narrow, wide) = (Parts(plan), Parts(CliRun.Good(run).Json()));
        Assert.All(["library", "scores"], stage =>
        {
            Assert.InRange(Number(narrow[stage], "memory_bytes") / Number(wide[stage], "memory_bytes"), 0.4, 0.8);
            Assert.InRange(Number(narrow[stage], "seconds") / Number(wide[stage], "seconds"), 0.02, 0.2);
        });

        // Files of four layers' halves: one attention and two feed-forwards each.
        Assert.InRange(Number(narrow["library"], "disk_bytes"), 4 * 2 * 150e6, 4 * 2 * 250e6);
    }

    // Distillation of 405 billion weights, on one card for players.
    [Fact]
    public void Times_beyond_counting_days_are_told_in_years()
    {
        string text = CliRun.Good("plan", Path.Combine(SharedData.RepositoryRoot, "recipes", "ultra-253b.yaml"), "--on", "rtx4090").Output;
        double seconds = CliRun.Good("plan", Path.Combine(SharedData.RepositoryRoot, "recipes", "ultra-253b.yaml"), "--on", "rtx4090", "--json").Json()
            .GetProperty("device_hours").GetDouble() * 3600;
        Assert.Contains(FormattableString.Invariant($" {seconds / (365.25 * 86400):N0} years "), text, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_planned_is_said_in_a_sentence()
    {
        CliRun.Refused(["plan", "compress", "hf:somebody/something"], "the shape of hf:somebody/something is not known here");
        CliRun.Refused(["plan", "compress", files.At("nowhere")], "nowhere is not there yet");
        CliRun.Refused(["plan", "compress", files.Plain, "--on", "abacus"], "--on abacus: expected one of h100");
        CliRun.Refused(["plan", "compress", files.Plain, "--input-length", "8", "--output-length", "8", "--max-length", "4096", "--on", "h100"], "--max-length 4096");
        CliRun.Refused(["plan", files.At("nowhere.yaml")], "nowhere.yaml");
    }

    [Fact]
    [Trait("Category", "Slow")]
    public void A_compression_of_the_bundled_model_takes_what_was_planned()
    {
        string output = files.At("bundled-run");
        string[] run =
        [
            Path.Combine(SharedData.RepositoryRoot, "models", "tessera-arithmetic-4.8m"), "--tasks", "all", "--target", "decode>=1.5x", "--threads", "2",
            "--calibration-tokens", "4096", "--scoring-tokens", "1024", "--block-steps", "4", "--heal-steps", "10", "--heal-batch-tokens", "2048",
            "--problems", "100", "--rounds", "3",
        ];
        var plan = CliRun.Good(["plan", "compress", .. run, "--json"]).Json();
        var info = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "tessera"), ["compress", .. run, "--out", output])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        long start = Stopwatch.GetTimestamp();
        using var process = Process.Start(info)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        long peak = 0;
        while (!process.WaitForExit(100))
        {
            process.Refresh();
            peak = Math.Max(peak, process.PeakWorkingSet64);
        }

        Assert.Equal(0, process.ExitCode);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        long disk = new DirectoryInfo(output).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);
        Assert.InRange(peak / Number(plan, "memory_bytes"), 1 / Factor, Factor);
        Assert.InRange(disk / Number(plan, "disk_bytes"), 1 / Factor, Factor);
        // Other work on the machine can only make a run longer: alone it took 1.1 times what was planned.
        Assert.InRange(seconds / (3600 * Number(plan, "device_hours")), 1 / Factor, 4 * Factor);
    }

    private static string[] Run(string model, params string[] more) =>
    [
        model, "--target", "parameters<=90%", "--tasks", "all", "--threads", "1", "--batch", "2", "--input-length", "8", "--output-length", "4",
        "--calibration-tokens", "128", "--scoring-tokens", "128", "--batch-tokens", "128", "--max-length", "96", "--block-steps", "1", "--heal-steps", "2",
        "--heal-batch-tokens", "128", "--problems", "0", "--rounds", "1", .. more,
    ];

    private static string Stage(string output, string name) => Directory.GetDirectories(output, name + "-*").Single();

    private static Dictionary<string, JsonElement> Parts(JsonElement plan) => plan.GetProperty("stages")[0].GetProperty("parts").EnumerateArray()
        .ToDictionary(part => part.GetProperty("name").GetString()!);

    private static double Number(JsonElement element, string name) => element.GetProperty(name).GetDouble();

    private static long JobCount(JsonElement library) => long.Parse(library.GetProperty("work").GetString()!.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
}
