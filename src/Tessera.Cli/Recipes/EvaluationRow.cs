using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Evaluation.Statistics;

namespace Tessera.Cli.Recipes;

/// <summary>A share with the ends of its 95 % interval.</summary>
internal readonly record struct ShareInterval(double Value, double Low, double High)
{
    public JsonObject ToJson() => new() { ["value"] = Value, ["low"] = Low, ["high"] = High };
}

/// <summary>What an evaluation measured of one model in one mode, as the report's table shows it.</summary>
/// <param name="Label">Name of the row.</param>
/// <param name="Model">The model, as the evaluation names it.</param>
/// <param name="Mode"><c>plain</c>, <c>on</c> or <c>off</c>.</param>
/// <param name="Problems">Problems.</param>
/// <param name="Accuracy">Mean accuracy of a sample.</param>
/// <param name="Hard">The same on the hard levels, or null where none of their problems was asked.</param>
/// <param name="HardLevels">Which levels those are.</param>
/// <param name="Obeyed">Share of samples in the form that the switch asks for.</param>
/// <param name="Tokens">New tokens a sample.</param>
internal sealed record EvaluationRow(
    string Label, string Model, string Mode, int Problems, ShareInterval Accuracy, ShareInterval? Hard, string HardLevels,
    ShareInterval Obeyed, double Tokens)
{
    /// <summary>Whether there was a switch to obey; plain prompts have none.</summary>
    public bool IsSwitched => Mode != "plain";

    public JsonObject ToJson() => new()
    {
        ["label"] = Label,
        ["model"] = Model,
        ["mode"] = Mode,
        ["problems"] = Problems,
        ["accuracy"] = Accuracy.ToJson(),
        ["hard_levels"] = HardLevels,
        ["hard"] = Hard?.ToJson(),
        ["obeyed"] = Obeyed.ToJson(),
        ["mean_tokens"] = Tokens,
    };

    /// <summary>Finds a row's mode in the result of an evaluation.</summary>
    /// <param name="path">File of the result.</param>
    /// <param name="result">Its content.</param>
    /// <param name="row">What to find.</param>
    /// <exception cref="InvalidDataException">It is not there; one sentence.</exception>
    public static EvaluationRow Find(string path, JsonElement result, PlannedRow row)
    {
        var modes = result.GetProperty("modes").EnumerateArray()
            .Where(mode => string.Equals(mode.GetProperty("mode").GetString(), row.Mode, StringComparison.OrdinalIgnoreCase))
            .Where(mode => row.Model is null || mode.GetProperty("model").GetString() == row.Model).ToList();
        return modes.Count == 1
            ? Read(row, modes[0], result.GetProperty("protocol"))
            : throw new InvalidDataException(
                $"{path}: has {modes.Count} results of {row.Model ?? "the model"} in mode {row.Mode}, expected one for the row '{row.Label}'");
    }

    private static EvaluationRow Read(PlannedRow row, JsonElement mode, JsonElement protocol)
    {
        string levels = protocol.TryGetProperty("hard-levels", out var hard) ? hard.GetString() ?? string.Empty : string.Empty;
        return new EvaluationRow(
            row.Label, mode.GetProperty("model").GetString() ?? string.Empty, row.Mode, mode.GetProperty("problems").GetInt32(),
            Interval(mode.GetProperty("average")), HardShare(mode.GetProperty("by_level"), levels), levels,
            Interval(mode.GetProperty("obeyed")), mode.GetProperty("mean_tokens").GetDouble());
    }

    /// <summary>
    /// The mean over some levels. They share no problem, so with n_l problems of level l the mean is Σ n_l m_l / Σ n_l and its
    /// standard error √(Σ (n_l s_l)²) / Σ n_l. A level whose problems all agree has no standard error and adds no spread; where that
    /// goes for all of them, the interval is Wilson's.
    /// </summary>
    private static ShareInterval? HardShare(JsonElement byLevel, string levels)
    {
        double count = 0, sum = 0, squares = 0;
        foreach (string level in levels.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (byLevel.TryGetProperty("level " + level, out var estimate))
            {
                double n = estimate.GetProperty("count").GetInt64();
                count += n;
                sum += n * estimate.GetProperty("value").GetDouble();
                var error = estimate.GetProperty("standard_error");
                squares += error.ValueKind == JsonValueKind.Null ? 0 : Math.Pow(n * error.GetDouble(), 2);
            }
        }

        if (count == 0)
        {
            return null;
        }

        if (squares == 0)
        {
            var share = new Proportion((long)Math.Round(sum), (long)count);
            return new ShareInterval(share.Value, share.Low, share.High);
        }

        var mean = new ClusteredMean(sum / count, Math.Sqrt(squares) / count, (int)count);
        return new ShareInterval(mean.Mean, mean.Low, mean.High);
    }

    private static ShareInterval Interval(JsonElement estimate) => new(
        estimate.GetProperty("value").GetDouble(), estimate.GetProperty("low").GetDouble(), estimate.GetProperty("high").GetDouble());
}
