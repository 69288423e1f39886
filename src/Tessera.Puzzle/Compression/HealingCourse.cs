using System.Globalization;
using Tessera.Training;

namespace Tessera.Puzzle.Compression;

/// <summary>How a healing goes on over its steps, where it is more than one stretch of one length.</summary>
public sealed record HealingCourse
{
    /// <summary>Phases by length of the documents; none for one phase of the usual length.</summary>
    public IReadOnlyList<LengthPhase> Lengths { get; init; } = [];

    /// <summary>Validations of the last phase without a better loss that end the healing; 0 for never.</summary>
    public int Patience { get; init; }

    /// <summary>Length at which parent and written child are compared position by position; 0 for no such comparison.</summary>
    public int TestLength { get; init; }

    /// <summary>What decides the healed weights; nothing for a course that is the usual one.</summary>
    internal IEnumerable<(string Name, string Value)> Identity =>
    [
        .. Lengths.Count == 0 ? [] : ((string, string)[])[("lengths", string.Join(',', Lengths))],
        .. Patience == 0 ? [] : ((string, string)[])[("patience", Patience.ToString(CultureInfo.InvariantCulture))],
    ];
}
