namespace Tessera.Tasks;

/// <summary>A family of problems in several difficulties that can be drawn without end and checked exactly.</summary>
public interface IProblemTask
{
    /// <summary>Short lower-case name, unique in the <see cref="TaskCatalog"/>.</summary>
    string Name { get; }

    /// <summary>Number of difficulties; levels run from 1 to this.</summary>
    int Levels { get; }

    /// <summary>Draws a problem; the same state of <paramref name="random"/> gives the same problem.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The level is outside 1..<see cref="Levels"/>.</exception>
    Problem Create(int level, ref TaskRandom random);

    /// <summary>
    /// Whether an extracted answer is the problem's: whitespace around the integers is ignored, every other difference
    /// (leading zeros, a plus sign, another order, words) is wrong.
    /// </summary>
    bool Verify(Problem problem, string answer);
}
