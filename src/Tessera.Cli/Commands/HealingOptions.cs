using System.CommandLine;
using Tessera.Models.Configuration;
using Tessera.Puzzle.Compression;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary>How a healing goes on over its steps: phases by length, early stop, what is measured on the way and at the end.</summary>
internal sealed class HealingOptions
{
    public Option<string?> Lengths { get; } = new("--heal-lengths")
    {
        Description = "Phases of the healing by longest document, in steps (256x100,1024x40) or tokens (256x2Mtok,1024x1Mtok), in place of --heal-steps at --max-length.",
    };

    public Option<int> Patience { get; } = new("--heal-patience")
    {
        Description = "End the healing after so many validations without a better loss, with the best weights; counted in the last phase; 0 for never.",
        DefaultValueFactory = _ => 0,
    };

    public Option<double> Temperature { get; } = new("--heal-temperature")
    {
        Description = "Temperature of both distributions in the KL of the healing, which is scaled by its square.",
        DefaultValueFactory = _ => 1,
    };

    public Option<int> Problems { get; } = new("--heal-problems")
    {
        Description = "With --tasks, unseen problems that every validation of the healing measures accuracy on; 0 for none.",
        DefaultValueFactory = _ => 0,
    };

    public Option<int?> TestLength { get; } = new("--test-length")
    {
        Description = "Length that the child is sold at: KL and losses of parent and child by position up to it. By default the longest of --heal-lengths.",
    };

    public IEnumerable<Option> All => [Lengths, Patience, Temperature, Problems, TestLength];

    /// <summary>The course; a length beyond the model's positions or a step's tokens is refused.</summary>
    public HealingCourse ToCourse(ParseResult result, ModelConfiguration model, Option<int> steps, int stepTokens, string stepOption)
    {
        var lengths = result.GetValue(Lengths) is { } text ? LengthPhase.ParseList(text, stepTokens, Lengths.Name) : [];
        if (lengths.Count > 0 && result.GetResult(steps) is { Implicit: false })
        {
            throw new ArgumentException($"{Lengths.Name} has steps of its own: leave {steps.Name} out");
        }

        int longest = lengths.Count == 0 ? 0 : lengths.Max(phase => phase.Length);
        if (longest > stepTokens)
        {
            throw new ArgumentException($"{stepOption} {stepTokens}: expected at least the longest of {Lengths.Name}, {longest}");
        }

        int test = result.GetValue(TestLength) ?? longest;
        foreach (var (option, length) in ((Option, int)[])[(Lengths, longest), (TestLength, test)])
        {
            if (length > model.MaxPositions)
            {
                throw new ArgumentException($"{option.Name} {length}: the model takes at most {model.MaxPositions} positions");
            }
        }

        return test is 0 or >= 2
            ? new HealingCourse { Lengths = lengths, Patience = OptionChecks.AtLeast(result, Patience, 0), TestLength = test }
            : throw new ArgumentException($"{TestLength.Name} {test}: expected at least 2");
    }
}
