using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Data;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Kernels.Measurement;
using Tessera.Models.Configuration;

namespace Tessera.Cli.Commands;

/// <summary><c>bench</c>: measured figures beside a ceiling taken in the same run.</summary>
internal static class BenchCommand
{
    public static Command Create() => new("bench", "Measured figures beside a ceiling taken in the same run.") { KernelsCommand(), BenchTrainCommand.Create(), BenchDecodeCommand.Create(), BenchDataCommand.Create() };

    private static Command KernelsCommand()
    {
        var filter = new Option<string?>("--filter")
        {
            Description = "Only cases whose \"name shape type\" has all these words, such as \"row rmsnorm\" or \"gemm bf16\"; "
                + $"names are {string.Join(", ", KernelCatalog.Names)}.",
        };
        var type = new Option<string?>("--dtype") { Description = "How a card stores activations, bf16 or f32; bf16 by default. The processor computes in f32." };
        type.AcceptOnlyFromAmong("f32", "bf16");
        var deviceName = SharedOptions.Device();
        var seconds = new Option<double>("--seconds") { Description = "Time for the pairs of one case.", DefaultValueFactory = _ => 1.2 };
        var threads = SharedOptions.Threads();
        var json = SharedOptions.Json();
        var command = new Command("kernels", "Every operation at typical shapes: median rate, share of the ceiling and its spread.")
        {
            filter, seconds, deviceName, type, threads, json,
        };
        command.SetAction(result =>
        {
            double time = OptionChecks.Between(result, seconds, 0, 3600);
            using var device = Open(result.GetValue(deviceName)!, OptionChecks.Threads(result, threads), result.GetValue(type));
            var results = new List<BenchResult>();
            foreach (var measured in KernelBench.Run(device, KernelCatalog.Cases(device, result.GetValue(filter)), time))
            {
                results.Add(measured);
                Console.Error.WriteLine($"{measured.Name} {measured.Shape} {measured.DataType}: {measured.Value:F1} {measured.Unit}");
            }

            if (results.Count == 0)
            {
                throw new ArgumentException(
                    $"--filter {result.GetValue(filter)}: no case has all these words in its \"name shape type\"; names are {string.Join(", ", KernelCatalog.Names)}");
            }

            if (result.GetValue(json))
            {
                JsonOutput.Print(results.Select(measured => ToJson(measured, device)));
            }
            else
            {
                Print(results, device);
            }
        });
        return command;
    }

    /// <summary>The option that names a published shape in place of a model.</summary>
    public static Option<string?> Shape()
    {
        var option = new Option<string?>("--shape") { Description = "A published shape with random weights, in place of MODEL: the same as random:NAME." };
        option.AcceptOnlyFromAmong([.. PublishedShapes.Names]);
        return option;
    }

    /// <summary>The model that argument or <see cref="Shape"/> names, or null.</summary>
    /// <exception cref="ArgumentException">Both are given.</exception>
    public static string? Model(ParseResult result, Argument<string?> model, Option<string?> shape) =>
        (result.GetValue(model), result.GetValue(shape)) switch
        {
            ({ } named, { } published) => throw new ArgumentException($"--shape {published}: the model is given as {named} already"),
            (null, { } published) => ModelSource.RandomPrefix + published,
            var (named, _) => named,
        };

    public static object ToJson(BenchResult measured, Device device) => new
    {
        name = measured.Name,
        shape = measured.Shape,
        dtype = measured.DataType,
        threads = measured.Threads,
        device = device.Description,
        value = measured.Value,
        unit = measured.Unit,
        ceiling = measured.Ceiling,
        ratio = measured.Ratio,
        runs = measured.Runs,
        spread = measured.Spread,
        details = measured.Details,
    };

    public static void Print(List<BenchResult> results, Device device)
    {
        string where = device.Threads > 0 ? $"{device.Threads} threads" : $"{device.Description}, operands beyond its second-level cache";
        Console.WriteLine($"{where}; medians of pairs of kernel and ceiling, spread is half the interquartile range of the ratio");
        var table = new TextTable("kernel", "shape", "type", ">value", "unit", ">ceiling", ">ratio", ">spread", ">runs");
        foreach (var measured in results)
        {
            table.Add(
                measured.Name, measured.Shape, measured.DataType, $"{measured.Value:F1}", measured.Unit, Optional(measured.Ceiling, "F1"),
                Optional(measured.Ratio, "F3"), $"{measured.Spread:F3}", $"{measured.Runs}");
        }

        table.Print();
        if (results.Find(measured => measured.Details?.ContainsKey("published_peak") ?? false) is { } product)
        {
            Console.WriteLine(
                $"published peak of dense bf16 products: {product.Details!["published_peak"] / 1e3:F0} TFLOP/s; measured beside: {product.Ceiling / 1e3:F0}");
        }
    }

    private static Device Open(string name, int threads, string? type) => type is null || name != "cpu"
        ? Device.Open(name, threads, SharedOptions.ParseDataType(type ?? "bf16"))
        : throw new ArgumentException($"--dtype {type}: the processor computes in f32 and measures weights of every type; give --device cuda");

    private static string Optional(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";
}
