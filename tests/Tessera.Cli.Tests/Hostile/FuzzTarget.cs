using Tessera.Devices;

namespace Tessera.Cli.Tests.Hostile;

/// <summary>Makes one mutant of an original; the other original is there to take pieces from.</summary>
internal delegate byte[] Mutate(byte[] original, byte[] other, ref CounterRandom random);

/// <summary>One reader under fire.</summary>
/// <param name="Name">Its name.</param>
/// <param name="FileName">What the file is called; a reader may look at it.</param>
/// <param name="Originals">Sound files.</param>
/// <param name="Read">Reads the file at a path and uses what it holds.</param>
/// <param name="Fields">Words one of which every message has to hold: the places of such a file.</param>
/// <param name="Mutators">Ways to damage it.</param>
internal sealed record FuzzTarget(
    string Name, string FileName, IReadOnlyList<byte[]> Originals, Action<string> Read, IReadOnlyList<string> Fields, IReadOnlyList<Mutate> Mutators)
{
    /// <summary>Most bytes that reading may allocate: a constant and a multiple of the file.</summary>
    public long AllocationLimit(int fileBytes) => (256L << 20) + (2048L * fileBytes);
}
