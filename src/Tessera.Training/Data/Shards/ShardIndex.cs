using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Tessera.Models.Configuration;
using Tessera.Runs;

namespace Tessera.Training.Data.Shards;

/// <summary>
/// <c>shards.json</c>: what a folder of token shards holds. It is written last, so a folder that has one is complete.
/// </summary>
public sealed partial record ShardIndex
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "shards.json";

    /// <summary>Version of the form.</summary>
    public const int CurrentVersion = 1;

    private const int MostShards = 1_000_000;
    private const int MostInputs = 10_000_000;
    private const int MostVocabulary = 1 << 24;

    /// <summary>Version of the form.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>Hash of inputs, tokenizer and settings: a folder is gone on with only by the same.</summary>
    public required string Identity { get; init; }

    /// <summary><see cref="VocabularyHash"/> of the tokenizer.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>One more than the highest id.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>The token that every document begins with, or null.</summary>
    public int? Begin { get; init; }

    /// <summary>The token that every document ends with, or null.</summary>
    public int? End { get; init; }

    /// <summary>Share of documents, by their hashes, that is held out.</summary>
    public required double ValidationShare { get; init; }

    /// <summary>Documents without a token, which are in no shard.</summary>
    public required long Empty { get; init; }

    /// <summary>Shards to train on.</summary>
    public required IReadOnlyList<ShardEntry> Train { get; init; }

    /// <summary>Shards held out.</summary>
    public required IReadOnlyList<ShardEntry> Validation { get; init; }

    /// <summary>Where the documents came from, in order.</summary>
    public required IReadOnlyList<ShardInput> Inputs { get; init; }

    /// <summary>Writes the file.</summary>
    /// <exception cref="IOException">The disk is full or the folder cannot be written; one sentence with the file.</exception>
    public void Write(string folder) => AtomicFile.WriteAllText(
        Path.Combine(folder, FileName), JsonSerializer.Serialize(this, ShardJson.Default.ShardIndex) + "\n");

    /// <summary>Reads the file of a folder.</summary>
    /// <exception cref="InvalidDataException">It is missing or breaks the form; one sentence with file and field.</exception>
    public static ShardIndex Read(string folder)
    {
        string path = Path.Combine(folder, FileName);
        using var document = JsonFile.Load(path);
        var root = JsonFields.Root(document, path);
        root.RequiredInteger("version", CurrentVersion, CurrentVersion);
        root.RefuseOthers(
            "version", "identity", "tokenizer", "vocabulary", "begin", "end", "validation_share", "empty", "train", "validation", "inputs");
        int vocabulary = root.RequiredInteger("vocabulary", 1, MostVocabulary);
        int? Token(string name) => root.Has(name) ? root.RequiredInteger(name, 0, vocabulary - 1) : null;
        double share = root.RequiredAmount("validation_share", 1);
        return new ShardIndex
        {
            Identity = Hash(root, "identity"),
            Tokenizer = Hash(root, "tokenizer"),
            Vocabulary = vocabulary,
            Begin = Token("begin"),
            End = Token("end"),
            ValidationShare = share,
            Empty = root.RequiredCount("empty"),
            Train = Entries(root, "train"),
            Validation = Entries(root, "validation"),
            Inputs =
            [
                .. root.Objects("inputs", MostInputs).Select(input =>
                {
                    input.RefuseOthers("name", "bytes", "sha256");
                    return new ShardInput(input.Text("name") ?? throw input.Fault("name", "a name"), input.RequiredCount("bytes"), Hash(input, "sha256"));
                }),
            ],
        };
    }

    private static List<ShardEntry> Entries(JsonFields root, string split)
    {
        var entries = new List<ShardEntry>();
        foreach (var fields in root.Objects(split, MostShards))
        {
            fields.RefuseOthers("file", "documents", "tokens", "sha256");
            string file = fields.Text("file") is { } name && Name().IsMatch(name)
                ? name
                : throw fields.Fault("file", $"a name such as {split}-00000.tokens");
            entries.Add(new ShardEntry(file, fields.RequiredCount("documents"), fields.RequiredCount("tokens"), Hash(fields, "sha256")));
        }

        return entries;
    }

    private static string Hash(JsonFields fields, string name) => fields.Text(name) is { } text && Sha256().IsMatch(text)
        ? text
        : throw fields.Fault(name, "64 hexadecimal digits in lower case");

    // A plain name: whatever else stood there could lead out of the folder.
    [GeneratedRegex(@"^[a-z]+-[0-9]{1,12}\.tokens\z")]
    private static partial Regex Name();

    [GeneratedRegex(@"^[0-9a-f]{64}\z")]
    private static partial Regex Sha256();
}

/// <summary>Generated writing of the index, and both ways of the record of finished shards.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, NewLine = "\n", PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ShardIndex))]
[JsonSerializable(typeof(ShardProgress))]
internal sealed partial class ShardJson : JsonSerializerContext
{
}
