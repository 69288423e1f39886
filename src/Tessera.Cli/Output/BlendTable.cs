using System.Globalization;
using Tessera.Training.Data.Blends;

namespace Tessera.Cli.Output;

/// <summary>What a blend has dealt of each source, in tokens, shares and epochs.</summary>
internal static class BlendTable
{
    /// <summary>One line, for the end of a run.</summary>
    public static string Line(IReadOnlyList<BlendUse> uses)
    {
        long total = Math.Max(1, uses.Sum(use => use.Tokens));
        return string.Join("; ", uses.Select(use =>
            $"{use.Name} {use.Tokens:N0} tokens ({100.0 * use.Tokens / total:F1} %) of {use.Documents:N0} documents, {Epochs(use)}"));
    }

    public static void Print(IReadOnlyList<BlendUse> uses)
    {
        long total = Math.Max(1, uses.Sum(use => use.Tokens));
        var table = new TextTable("source", ">documents", ">tokens", ">share", ">epochs");
        foreach (var use in uses)
        {
            table.Add(
                use.Name, $"{use.Documents:N0}", $"{use.Tokens:N0}", $"{100.0 * use.Tokens / total:F2} %",
                use.Epochs?.ToString("0.000", CultureInfo.InvariantCulture) ?? "-");
        }

        table.Print();
    }

    public static object ToJson(BlendUse use) => new { name = use.Name, documents = use.Documents, tokens = use.Tokens, epochs = use.Epochs };

    private static string Epochs(BlendUse use) =>
        use.Epochs is { } epochs ? FormattableString.Invariant($"{epochs:0.000} epochs") : "never repeated";
}
