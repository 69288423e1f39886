using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Output;
using Tessera.Devices;
using Tessera.Kernels.Measurement;

namespace Tessera.Cli.Commands;

/// <summary><c>bench</c>: measured figures beside a ceiling taken in the same run.</summary>
internal static class BenchCommand
{
    public static Command Create() => new("bench", "Measured figures beside a ceiling taken in the same run.") { KernelsCommand(), BenchTrainCommand.Create(), BenchDecodeCommand.Create() };

    private static Command KernelsCommand()
    {
        var filter = new Option<string?>("--filter")
        {
            Description = "Only cases whose \"name shape type\" has all these words, such as \"row rmsnorm\" or \"gemm bf16\"; "
                + $"names are {string.Join(", ", KernelCatalog.Names)}.",
        };
        var seconds = new Option<double>("--seconds") { Description = "Time for the pairs of one case.", DefaultValueFactory = _ => 1.2 };
        var threads = SharedOptions.Threads();
        var json = SharedOptions.Json();
        var command = new Command("kernels", "Every operation at typical shapes: median rate, share of the ceiling and its spread.")
        {
            filter, seconds, threads, json,
        };
        command.SetAction(result =>
        {
            double time = OptionChecks.Between(result, seconds, 0, 3600);
            using var device = new CpuDevice(OptionChecks.Threads(result, threads));
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
                JsonOutput.Print(results.Select(measured => ToJson(measured, device.Name)));
            }
            else
            {
                Print(results);
            }
        });
        return command;
    }

    public static object ToJson(BenchResult measured, string device) => new
    {
        name = measured.Name,
        shape = measured.Shape,
        dtype = measured.DataType,
        threads = measured.Threads,
        device,
        value = measured.Value,
        unit = measured.Unit,
        ceiling = measured.Ceiling,
        ratio = measured.Ratio,
        runs = measured.Runs,
        spread = measured.Spread,
    };

    public static void Print(List<BenchResult> results)
    {
        Console.WriteLine($"{results[0].Threads} threads; medians of pairs of kernel and ceiling, spread is half the interquartile range of the ratio");
        var table = new TextTable("kernel", "shape", "type", ">value", "unit", ">ceiling", ">ratio", ">spread", ">runs");
        foreach (var measured in results)
        {
            table.Add(
                measured.Name, measured.Shape, measured.DataType, $"{measured.Value:F1}", measured.Unit, Optional(measured.Ceiling, "F1"),
                Optional(measured.Ratio, "F3"), $"{measured.Spread:F3}", $"{measured.Runs}");
        }

        table.Print();
    }

    private static string Optional(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";
}
