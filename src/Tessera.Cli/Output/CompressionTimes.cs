using System.Globalization;
using Tessera.Puzzle.Compression;
using Tessera.Runs;

namespace Tessera.Cli.Output;

/// <summary>Times of a compression as text: parent and child in further loads, its stages, and what a whole library would take.</summary>
internal static class CompressionTimes
{
    public static void Write(TextWriter writer, CompressionResult result)
    {
        if (result.Loads is { } loads)
        {
            writer.WriteLine();
            writer.WriteLine(Line("load", "model", "prefill s", "predicted", "decode ms", "predicted", "tokens/s", "predicted", "ratio", "speed-up"));
            foreach (var load in loads)
            {
                double parent = loads.First(other => other.Load == load.Load).Throughput;
                writer.WriteLine(Line(
                    load.Load, load.Model, Text(load.PrefillSeconds, "0.000"), Text(load.PredictedPrefillSeconds, "0.000"),
                    Text(1e3 * load.DecodeSeconds, "0.000"), Text(1e3 * load.PredictedDecodeSeconds, "0.000"), Text(load.Throughput, "N0"),
                    Text(load.PredictedThroughput, "N0"), Text(load.Ratio, "0.000"), Text(load.Throughput / parent, "0.00") + "x"));
            }
        }

        if (result.Projection is { } projection)
        {
            writer.WriteLine(
                $"library with all {projection.Layers} layers trained: {HumanUnits.FormatDuration(TimeSpan.FromSeconds(projection.Seconds))} "
                + $"± {HumanUnits.FormatDuration(TimeSpan.FromSeconds(projection.StandardError))} on one device, from {projection.TimedLayers} layers of "
                + $"{HumanUnits.FormatDuration(TimeSpan.FromSeconds(projection.SecondsPerLayer))} each");
        }

        WriteStages(writer, result.Stages ?? []);
    }

    public static void WriteStages(TextWriter writer, IReadOnlyList<StageTime> stages) => writer.WriteLine(
        $"stages: {string.Join(", ", stages.Select(stage => $"{stage.Stage} {HumanUnits.FormatDuration(TimeSpan.FromSeconds(stage.Seconds))}"))}; at most {HumanUnits.FormatBytes(stages.Select(stage => stage.PeakBytes).DefaultIfEmpty().Max())} held on the device");

    private static string Line(params string[] cells) =>
        $"{cells[0],-16}{cells[1],-8}{string.Concat(cells[2..].Select(cell => $"{cell,11}"))}".TrimEnd();

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
