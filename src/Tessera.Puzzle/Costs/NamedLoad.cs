using System.Globalization;

namespace Tessera.Puzzle.Costs;

/// <summary>A load as a person writes it: a name, a batch, lengths of prompt and output.</summary>
/// <param name="Name">What the scenario is called; loads of one name differ in their batch alone. Null where it has no name.</param>
/// <param name="Batch">Sequences at a time.</param>
/// <param name="InputLength">Prompt tokens of each.</param>
/// <param name="OutputLength">Generated tokens of each.</param>
public sealed record NamedLoad(string? Name, int Batch, int InputLength, int OutputLength)
{
    /// <summary>Reads <c>NAME=BATCH[,BATCH…]xINPUT+OUTPUT</c>, such as <c>chat=1,8,32x256+128</c>: a load for each batch.</summary>
    /// <param name="text">What was typed; the name and its sign may be missing.</param>
    /// <param name="option">Named in the message.</param>
    /// <exception cref="ArgumentException">It is no such text.</exception>
    public static IReadOnlyList<NamedLoad> Parse(string text, string option)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        string[] sides = text[(equals + 1)..].Split('x');
        string[] lengths = sides[^1].Split('+');
        if (equals == 0 || sides.Length != 2 || lengths.Length != 2)
        {
            throw Wrong();
        }

        int Number(string word) =>
            int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value > 0 ? value : throw Wrong();
        string? name = equals > 0 ? text[..equals] : null;
        return [.. sides[0].Split(',').Select(batch => new NamedLoad(name, Number(batch), Number(lengths[0]), Number(lengths[1])))];

        ArgumentException Wrong() => new($"{option} {text}: expected NAME=BATCHxINPUT+OUTPUT, such as chat=1,8,32x256+128");
    }

    /// <summary>Reads several texts.</summary>
    /// <exception cref="ArgumentException">One is no such text, or loads of one name have the same batch or other lengths.</exception>
    public static IReadOnlyList<NamedLoad> ParseAll(IReadOnlyList<string> texts, string option)
    {
        var loads = texts.SelectMany(text => Parse(text, option)).ToList();
        foreach (var scenario in loads.GroupBy(load => load.Name))
        {
            string name = scenario.Key ?? "the load without a name";
            if (scenario.Select(load => (load.InputLength, load.OutputLength)).Distinct().Count() > 1)
            {
                throw new ArgumentException($"{option}: {name} has several lengths; give every pair of lengths a name of its own");
            }

            if (scenario.GroupBy(load => load.Batch).FirstOrDefault(same => same.Count() > 1) is { } twice)
            {
                throw new ArgumentException($"{option}: {name} has batch {twice.Key} twice");
            }
        }

        return loads;
    }
}
