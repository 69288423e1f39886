using System.CommandLine;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary>Checks of numbers given on the command line; a bad one becomes a sentence that names its option.</summary>
internal static class OptionChecks
{
    public static int AtLeast(ParseResult result, Option<int> option, int minimum)
    {
        int value = result.GetValue(option);
        return value >= minimum ? value : throw new ArgumentException($"{option.Name} {value}: expected at least {minimum}");
    }

    public static double Between(ParseResult result, Option<double> option, double low, double high)
    {
        double value = result.GetValue(option);
        return value >= low && value <= high
            ? value
            : throw new ArgumentException($"{option.Name} {value}: expected a number from {low} to {high}");
    }

    public static double NotNegative(ParseResult result, Option<double> option) => Between(result, option, 0, 1e30);

    public static double Positive(ParseResult result, Option<double> option) => Between(result, option, double.Epsilon, 1e30);

    /// <summary>Refuses an output folder that is one of the inputs, or that holds a model no run of this kind has written.</summary>
    public static void Output(string output, string marker, params string?[] inputs)
    {
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));
        foreach (string? input in inputs)
        {
            if (input is not null && Path.TrimEndingDirectorySeparator(Path.GetFullPath(input)) == target)
            {
                throw new ArgumentException($"--out {output}: this folder is an input; choose another one");
            }
        }

        if (File.Exists(Path.Combine(output, "config.json")) && !File.Exists(Path.Combine(output, marker)))
        {
            throw new ArgumentException($"--out {output}: another model is there already; choose another folder or remove it");
        }
    }

    /// <summary>A size such as 8GiB, or null where none is given.</summary>
    public static long? Bytes(ParseResult result, Option<string?> option) =>
        result.GetValue(option) is { } text ? HumanUnits.ParseBytes(text, option.Name) : null;

    /// <summary>The worker threads asked for, 0 for one a processor.</summary>
    public static int Threads(ParseResult result, Option<int> option) => AtLeast(result, option, 0);
}
