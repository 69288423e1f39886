using System.Text.RegularExpressions;
using Tessera.Models.Gguf;
using Tessera.Models.Safetensors;

namespace Tessera.Models.Hub;

/// <summary>A model on a hub, as it is named: <c>hf:org/name[/file.gguf][@revision]</c>.</summary>
/// <param name="Id">Organisation and name, or a name alone.</param>
/// <param name="File">One GGUF file of it, or null for the files of a model folder.</param>
/// <param name="Revision">Branch, tag or commit.</param>
public sealed partial record HubReference(string Id, string? File, string Revision)
{
    /// <summary>How such names begin.</summary>
    public const string Prefix = "hf:";

    private const string DefaultRevision = "main";
    private const int Longest = 512;

    /// <summary>Whether a text names a model on a hub.</summary>
    public static bool IsNamed(string text) => text.StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>Reads a name.</summary>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static HubReference Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string rest = IsNamed(text) ? text[Prefix.Length..] : throw Bad(text);
        int at = rest.IndexOf('@', StringComparison.Ordinal);
        string revision = at < 0 ? DefaultRevision : rest[(at + 1)..], path = at < 0 ? rest : rest[..at];
        string[] parts = path.Split('/');
        string id = string.Join('/', parts.Take(2));
        string? file = parts.Length > 2 ? string.Join('/', parts.Skip(2)) : null;
        bool isGood = text.Length <= Longest && parts.Take(2).All(part => NamePattern().IsMatch(part) && part is not ("." or ".."))
            && SafetensorsIndex.IsSafe(revision) && RevisionPattern().IsMatch(revision)
            && (file is null || (SafetensorsIndex.IsSafe(file) && file.EndsWith(GgufModel.Extension, StringComparison.OrdinalIgnoreCase)));
        return isGood ? new HubReference(id, file, revision) : throw Bad(text);
    }

    /// <inheritdoc />
    public override string ToString() => $"{Prefix}{Id}{(File is null ? "" : "/" + File)}{(Revision == DefaultRevision ? "" : "@" + Revision)}";

    private static ArgumentException Bad(string text) => new($"model '{text}': expected {Prefix}org/name, {Prefix}org/name/file.gguf, and perhaps @revision behind it");

    [GeneratedRegex(@"^[A-Za-z0-9_.\-]{1,96}$")]
    private static partial Regex NamePattern();

    [GeneratedRegex(@"^[A-Za-z0-9_.\-/+]+$")]
    private static partial Regex RevisionPattern();
}
