using System.Globalization;
using Tessera.Runs;

namespace Tessera.Training;

/// <summary>So many steps with documents of at most a length.</summary>
/// <param name="Length">Longest document in tokens.</param>
/// <param name="Steps">Optimiser steps.</param>
public readonly record struct LengthPhase(int Length, int Steps)
{
    private const string TokenSuffix = "tok";

    /// <summary>As it is written on the command line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Length}x{Steps}");

    /// <summary>
    /// Reads a schedule of lengths such as <c>256x100,1024x40</c> (steps) or <c>256x2Mtok,1024x500Ktok</c> (tokens: as many steps as full
    /// batches hold them).
    /// </summary>
    /// <param name="text">The schedule.</param>
    /// <param name="stepTokens">Most tokens of a step.</param>
    /// <param name="option">Option that the sentence names.</param>
    /// <exception cref="ArgumentException">It is not a schedule; one sentence.</exception>
    public static IReadOnlyList<LengthPhase> ParseList(string text, long stepTokens, string option)
    {
        LengthPhase[] phases = [.. text.Split(',', StringSplitOptions.TrimEntries).Select(part => Parse(part, stepTokens, option))];
        return phases.Sum(phase => (long)phase.Steps) <= int.MaxValue
            ? phases
            : throw new ArgumentException($"{option} {text}: expected at most {int.MaxValue} steps in all");
    }

    private static LengthPhase Parse(string text, long stepTokens, string option)
    {
        int cut = text.IndexOf('x', StringComparison.Ordinal);
        if (cut > 0 && int.TryParse(text.AsSpan(0, cut), NumberStyles.None, CultureInfo.InvariantCulture, out int length) && length >= 2)
        {
            string amount = text[(cut + 1)..];
            long steps = amount.EndsWith(TokenSuffix, StringComparison.Ordinal)
                ? (Count(amount[..^TokenSuffix.Length], option) + stepTokens - 1) / stepTokens
                : Count(amount, option);
            if (steps is > 0 and <= int.MaxValue)
            {
                return new LengthPhase(length, (int)steps);
            }
        }

        throw new ArgumentException($"{option} '{text}': expected LENGTHxSTEPS or LENGTHxTOKENStok, such as 1024x40 or 1024x2Mtok");
    }

    private static long Count(string text, string option)
    {
        try
        {
            return HumanUnits.ParseCount(text, option);
        }
        catch (InvalidDataException problem)
        {
            throw new ArgumentException(problem.Message, problem);
        }
    }
}
