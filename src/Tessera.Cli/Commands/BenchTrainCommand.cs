using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Kernels.Measurement;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Runs;
using Tessera.Tensors;
using Tessera.Training.Measurement;

namespace Tessera.Cli.Commands;

/// <summary><c>bench train</c>: whole training steps beside the multiply-adds of the same threads.</summary>
internal static class BenchTrainCommand
{
    public static Command Create()
    {
        var model = new Argument<string?>("model")
        {
            Description = "Folder of a model, or its config.json, for the shape; weights are random. "
                + "By default 12 layers of width 768, 12 heads, feed-forwards of 2048, 32000 tokens, tied: 109.5 M parameters.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var batch = new Option<string>("--batch") { Description = "Documents x tokens of a step.", DefaultValueFactory = _ => "4x256" };
        var steps = new Option<int>("--steps") { Description = "Measured steps.", DefaultValueFactory = _ => 9 };
        var breakdown = new Option<bool>("--breakdown") { Description = "Show where the time of a step goes." };
        var recompute = SharedOptions.Recompute();
        var threads = SharedOptions.Threads();
        var json = SharedOptions.Json();
        var command = new Command("train", "Whole training steps (forward, loss, backward, clipping, AdamW): model FLOP/s and their share of the ceiling.")
        {
            model, batch, steps, recompute, breakdown, threads, json,
        };
        command.SetAction(result =>
        {
            int count = OptionChecks.AtLeast(result, steps, 1);
            var (documents, length) = ParseBatch(result.GetValue(batch)!);
            string? source = result.GetValue(model);
            var shape = source is null ? TrainingBench.DefaultModel : ReadShape(source);
            if (length > shape.MaxPositions)
            {
                throw new ArgumentException($"--batch {result.GetValue(batch)}: the model takes at most {shape.MaxPositions} positions");
            }

            using var device = new CpuDevice(OptionChecks.Threads(result, threads));
            using var decoder = Decoder.Allocate(shape, DType.F32, device);
            ModelInitializer.Fill(decoder, 1, device);
            var level = SharedOptions.ParseRecompute(result.GetValue(recompute)!);
            using var bench = new TrainingBench(device, decoder, documents, length, level);
            Console.Error.WriteLine($"memory: planned {bench.Memory}");
            var clock = result.GetValue(breakdown) ? new OperationClock() : null;
            var measured = bench.Run(count, Describe(shape, decoder, documents, length, level), clock);
            foreach (string line in bench.Memory.DescribeUse(bench.Arenas))
            {
                Console.Error.WriteLine(line);
            }

            if (result.GetValue(json))
            {
                JsonOutput.Print(new[] { BenchCommand.ToJson(measured, device.Name) });
            }
            else
            {
                Print(measured, bench);
            }

            if (clock is not null)
            {
                PrintBreakdown(clock, count, result.GetValue(json) ? Console.Error : Console.Out);
            }
        });
        return command;
    }

    private static (int Documents, int Length) ParseBatch(string text)
    {
        string[] parts = text.Split('x');
        return parts.Length == 2 && Number(parts[0]) is { } documents && Number(parts[1]) is { } length && documents >= 1 && length >= 2
            && (long)documents * length <= 1 << 24
            ? (documents, length)
            : throw new ArgumentException($"--batch {text}: expected DOCUMENTSxTOKENS such as 4x256, at least two tokens a document and 16 million in all");
    }

    private static int? Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;

    private static ModelConfiguration ReadShape(string source) =>
        ModelFolder.ReadConfiguration(source);

    private static string Describe(ModelConfiguration shape, Decoder model, int documents, int length, RecomputeLevel level) => string.Create(
        CultureInfo.InvariantCulture,
        $"{documents}x{length} {shape.Layers.Length}L {shape.HiddenSize}d {shape.VocabularySize}v {HumanUnits.FormatCount(model.Parameters.Sum(parameter => parameter.Count))}{(level == RecomputeLevel.None ? "" : $" recompute-{level.ToString().ToLowerInvariant()}")}");

    private static void Print(BenchResult measured, TrainingBench bench)
    {
        double seconds = bench.Flops.Full * bench.Tokens / (measured.Value * 1e9);
        double causal = bench.Flops.Causal / bench.Flops.Full;
        Console.WriteLine(
            $"{measured.Shape}, f32, {measured.Threads} threads: {seconds:F3} s a step, {bench.Tokens / seconds:F0} tokens/s; medians of {measured.Runs} pairs, spread is half the interquartile range of the ratio");
        var table = new TextTable("convention", ">GFLOP/token", ">GFLOP/s", ">ceiling", ">ratio", ">spread");
        table.Add("full", $"{bench.Flops.Full / 1e9:F4}", $"{measured.Value:F1}", $"{measured.Ceiling:F1}", $"{measured.Ratio:F3}", $"{measured.Spread:F3}");
        table.Add(
            "causal", $"{bench.Flops.Causal / 1e9:F4}", $"{measured.Value * causal:F1}", $"{measured.Ceiling:F1}", $"{measured.Ratio * causal:F3}",
            $"{measured.Spread * causal:F3}");
        table.Print();
    }

    private static void PrintBreakdown(OperationClock clock, int steps, TextWriter writer)
    {
        double total = clock.Seconds.Values.Sum();
        writer.WriteLine($"a step's {total / steps * 1e3:F1} ms:");
        foreach (var (operation, seconds) in clock.Seconds.OrderByDescending(pair => pair.Value))
        {
            writer.WriteLine($"{seconds / steps * 1e3,9:F1} ms {HumanUnits.FormatShare(seconds / total),6}  {operation}");
        }
    }
}
