using System.CommandLine;

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

    /// <summary>The worker threads asked for, 0 for one a processor.</summary>
    public static int Threads(ParseResult result, Option<int> option) => AtLeast(result, option, 0);
}
