using System.Text.Json;

namespace Tessera.Models.Tokenizers;

/// <summary>
/// Reads GPT-2's pair of files: <c>vocab.json</c>, an object of tokens and ids in the byte alphabet, and <c>merges.txt</c>, two
/// tokens a line. They name no pattern, so they are read as GPT-2's unless a <c>tokenizer_config.json</c> beside them says
/// otherwise; <c>&lt;|endoftext|&gt;</c>, where it is there, is a control token.
/// </summary>
internal static class BytePairFiles
{
    private const string EndOfText = "<|endoftext|>";

    /// <summary>Whether the merges that belong to a vocabulary are beside it.</summary>
    public static bool HasMerges(string vocabulary) => Beside(vocabulary, "merges.txt") is not null;

    /// <summary>Reads both files, whichever of them is named.</summary>
    public static TokenizerParts Read(string path)
    {
        string vocabulary = Beside(path, "vocab.json") ?? throw new InvalidDataException($"{path}: there is no vocab.json beside it.");
        string merges = Beside(path, "merges.txt") ?? throw new InvalidDataException($"{path}: there is no merges.txt beside it.");
        RefuseOtherKinds(path);
        Dictionary<string, int> ids = BpeReader.ReadVocabularyFile(vocabulary, TokenizerFile.ReadBytes(vocabulary));
        MergeTable table = BpeReader.ReadMergesFile(merges, TokenizerFile.ReadBytes(merges), ids);
        AddedToken[] added = ids.TryGetValue(EndOfText, out int end) ? [new AddedToken(EndOfText, end) { Special = true }] : [];
        return new TokenizerParts(
            new BpeModel(ids, table, new BpeOptions { MapsBytes = true }),
            null,
            [new ByteLevelStep(addPrefixSpace: false, usePattern: true)],
            next => new ByteLevelStage(next),
            added,
            [],
            []);
    }

    private static string? Beside(string path, string name)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return ((string[])[name, name + ".gz"]).Select(file => Path.Combine(folder, file)).FirstOrDefault(File.Exists);
    }

    private static void RefuseOtherKinds(string path)
    {
        if (Beside(path, "tokenizer_config.json") is not { } configuration)
        {
            return;
        }

        try
        {
            using var document = JsonDocument.Parse(TokenizerFile.ReadBytes(configuration));
            if (new FileField(configuration, "", document.RootElement).Optional("tokenizer_class") is { } kind
                && kind.Text() is not ("GPT2Tokenizer" or "GPT2TokenizerFast"))
            {
                throw kind.Error($"is '{FileField.Shorten(kind.Text())}', but vocab.json and merges.txt alone are only supported for GPT2Tokenizer");
            }
        }
        catch (JsonException problem)
        {
            throw new InvalidDataException($"{configuration}: the document is not valid JSON.", problem);
        }
    }
}
