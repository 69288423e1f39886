using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Kernels.Measurement;
using Tessera.Models;
using Tessera.Models.Configuration;
using Tessera.Runs;
using Tessera.Tensors;
using Tessera.Training.Measurement;

namespace Tessera.Cli.Commands;

/// <summary><c>bench train</c>: whole training steps beside the multiply-adds of the same threads, or the products of the same card.</summary>
internal static class BenchTrainCommand
{
    public static Command Create()
    {
        var model = new Argument<string?>("model")
        {
            Description = $"Folder of a model, its config.json, or random: and one of {string.Join(", ", PublishedShapes.Names)}, for the shape; weights are random. "
                + "By default 12 layers of width 768, 12 heads, feed-forwards of 2048, 32000 tokens, tied: 109.5 M parameters.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var published = BenchCommand.Shape();
        var batch = new Option<string>("--batch") { Description = "Documents x tokens of a step, or documents alone beside --length.", DefaultValueFactory = _ => "4x256" };
        var documentLength = new Option<int?>("--length") { Description = "Tokens of a document, where --batch does not say." };
        var steps = new Option<int>("--steps") { Description = "Measured steps.", DefaultValueFactory = _ => 9 };
        var breakdown = new Option<bool>("--breakdown") { Description = "Show where the time of a step goes." };
        var recompute = SharedOptions.Recompute();
        var eager = SharedOptions.Eager();
        var deviceName = SharedOptions.Device();
        var precision = SharedOptions.Precision();
        var threads = SharedOptions.Threads();
        var json = SharedOptions.Json();
        var command = new Command("train", "Whole training steps (forward, loss, backward, clipping, AdamW): model FLOP/s and their share of the ceiling.")
        {
            model, published, batch, documentLength, steps, recompute, eager, breakdown, deviceName, precision, threads, json,
        };
        command.SetAction(result =>
        {
            int count = OptionChecks.AtLeast(result, steps, 1);
            var (documents, length) = ParseBatch(result.GetValue(batch)!, result.GetValue(documentLength));
            var shape = BenchCommand.Model(result, model, published) is { } name ? ModelSource.Open(name).Configuration : TrainingBench.DefaultModel;
            if (length > shape.MaxPositions)
            {
                throw new ArgumentException($"--batch {result.GetValue(batch)}: the model takes at most {shape.MaxPositions} positions");
            }

            using var device = SharedOptions.OpenTraining(
                result.GetValue(deviceName)!, OptionChecks.Threads(result, threads), result.GetValue(precision)!);
            using var decoder = Decoder.Allocate(shape, SharedOptions.MasterType(result.GetValue(precision)!), device);
            ModelInitializer.Fill(decoder, 1, device);
            var level = SharedOptions.ParseRecompute(result.GetValue(recompute)!);
            using var bench = new TrainingBench(device, decoder, documents, length, level, result.GetValue(eager));
            Console.Error.WriteLine($"memory: planned {bench.Memory}");
            using var clock = result.GetValue(breakdown) ? new OperationClock(device) : null;
            var measured = bench.Run(count, Describe(shape, decoder, documents, length, level), clock);
            foreach (string line in bench.Memory.DescribeUse(bench.Arenas))
            {
                Console.Error.WriteLine(line);
            }

            if (result.GetValue(json))
            {
                JsonOutput.Print(new[] { BenchCommand.ToJson(measured, device) });
            }
            else
            {
                Print(measured, bench, device);
            }

            if (clock is not null)
            {
                PrintBreakdown(clock, count, result.GetValue(json) ? Console.Error : Console.Out);
            }
        });
        return command;
    }

    private static (int Documents, int Length) ParseBatch(string text, int? length)
    {
        string[] parts = (length is { } given ? $"{text}x{given}" : text).Split('x');
        return parts.Length == 2 && Number(parts[0]) is { } documents && Number(parts[1]) is { } tokens && documents >= 1 && tokens >= 2
            && (long)documents * tokens <= 1 << 24
            ? (documents, tokens)
            : throw new ArgumentException(length is { } asked
                ? $"--batch {text} --length {asked}: expected a number of documents beside --length, at least two tokens a document and 16 million in all"
                : $"--batch {text}: expected DOCUMENTSxTOKENS such as 4x256, at least two tokens a document and 16 million in all");
    }

    private static int? Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;

    private static string Describe(ModelConfiguration shape, Decoder model, int documents, int length, RecomputeLevel level) => string.Create(
        CultureInfo.InvariantCulture,
        $"{documents}x{length} {shape.Layers.Length}L {shape.HiddenSize}d {shape.VocabularySize}v {HumanUnits.FormatCount(model.Parameters.Sum(parameter => parameter.Count))}{(level == RecomputeLevel.None ? "" : $" recompute-{level.ToString().ToLowerInvariant()}")}");

    private static void Print(BenchResult measured, TrainingBench bench, Device device)
    {
        var details = measured.Details!;
        double causal = bench.Flops.Causal / bench.Flops.Full;
        string where = device.Threads > 0 ? $"{device.Threads} threads" : device.Description;
        Console.WriteLine(
            $"{measured.Shape}, {measured.DataType}, {where}: {details["step_seconds"]:F3} s a step, {details["tokens_per_second"]:F0} tokens/s; medians of {measured.Runs} pairs, spread is half the interquartile range of the ratio");
        string[] parts = ["forward", "losses", "backward", "optimizer"];
        Console.WriteLine(
            $"one more step: {string.Join(", ", parts.Select(part => $"{part} {details.GetValueOrDefault($"{part}_seconds") * 1e3:F1} ms"))}; losses hold the head, both ways");
        bool hasPeak = details.ContainsKey("mfu_full");
        var table = new TextTable("convention", ">GFLOP/token", ">GFLOP/s", ">ceiling", ">ratio", ">spread", ">MFU");
        table.Add(
            "full", $"{bench.Flops.Full / 1e9:F4}", $"{measured.Value:F1}", $"{measured.Ceiling:F1}", $"{measured.Ratio:F3}", $"{measured.Spread:F3}",
            hasPeak ? $"{details["mfu_full"]:P1}" : "-");
        table.Add(
            "causal", $"{bench.Flops.Causal / 1e9:F4}", $"{measured.Value * causal:F1}", $"{measured.Ceiling:F1}", $"{measured.Ratio * causal:F3}",
            $"{measured.Spread * causal:F3}", hasPeak ? $"{details["mfu_causal"]:P1}" : "-");
        table.Print();
        if (hasPeak)
        {
            Console.WriteLine("MFU: model FLOP utilisation, the share of the dense bf16 peak that the maker publishes");
        }
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
