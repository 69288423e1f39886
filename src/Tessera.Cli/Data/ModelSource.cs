using System.Text.Json.Nodes;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Gguf;
using Tessera.Models.Hub;
using Tessera.Models.Templates;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Data;

/// <summary>
/// A model as the command line names it: a folder in Hugging Face layout, a GGUF file, <c>hf:org/name</c> for either of them on a
/// hub, a config.json, or <c>random:CONFIG.json</c> or <c>random:llama-3.1-8b</c> for a shape with seeded weights.
/// </summary>
internal sealed class ModelSource
{
    /// <summary>What a verb says about its model.</summary>
    public const string Description = "Folder of the model, a .gguf file, or hf:org/name[/file.gguf][@revision].";

    /// <summary>In front of a shape whose weights are drawn.</summary>
    public const string RandomPrefix = "random:";

    /// <summary>Seed of drawn weights.</summary>
    public const ulong RandomSeed = 1;

    private readonly Lazy<Tokenizer?> _tokenizer;

    private ModelSource(string name, string path, bool isRandom)
    {
        Name = name;
        Path = path;
        IsRandom = isRandom;
        Folder = Directory.Exists(path) || GgufModel.IsNamed(path) ? path : System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        Configuration = (isRandom && !System.IO.Path.Exists(path) ? PublishedShapes.Find(path) : null) ?? ModelFolder.ReadConfiguration(path);
        _tokenizer = new Lazy<Tokenizer?>(() => ModelFolder.LoadTokenizer(Folder));
    }

    /// <summary>The text it was named by.</summary>
    public string Name { get; }

    /// <summary>The last part of the name, without revision and .gguf, for people.</summary>
    public string DisplayName
    {
        get
        {
            string last = HubReference.IsNamed(Name)
                ? HubReference.Parse(Name) is var hub && hub.File is { } file ? file : hub.Id
                : System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(Path));
            last = System.IO.Path.GetFileName(last);
            return GgufModel.IsNamed(last) ? System.IO.Path.GetFileNameWithoutExtension(last) : last;
        }
    }

    /// <summary>Folder, GGUF file or config.json.</summary>
    public string Path { get; }

    /// <summary>Whether weights are drawn and not read.</summary>
    public bool IsRandom { get; }

    /// <summary>Where a tokenizer and other companions may lie: a folder, or the GGUF file that holds them.</summary>
    public string Folder { get; }

    public ModelConfiguration Configuration { get; }

    /// <summary>Reads the configuration; weights only on <see cref="Load"/>.</summary>
    public static ModelSource Open(string name)
    {
        bool isRandom = name.StartsWith(RandomPrefix, StringComparison.Ordinal);
        string path = isRandom ? name[RandomPrefix.Length..] : ModelPath.Of(name);
        return path.Length > 0
            ? new ModelSource(name, path, isRandom)
            : throw new ArgumentException($"model '{name}': expected a folder, a .gguf file, hf:org/name, a config.json, random:CONFIG.json or random: and one of {string.Join(", ", PublishedShapes.Names)}");
    }

    /// <summary>The weights.</summary>
    /// <param name="type">Storage of matrices.</param>
    /// <param name="device">Whose memory takes them; null for the processor's.</param>
    public Decoder Load(DType type, Device? device = null)
    {
        if (!IsRandom)
        {
            return ModelFolder.Load(Folder, type, device);
        }

        var model = Decoder.Allocate(Configuration, type, device);
        ModelInitializer.Fill(model, RandomSeed, device);
        return model;
    }

    /// <summary>The tokenizer, read once however often it is asked for, or null where the folder has none.</summary>
    public Tokenizer? LoadTokenizer() => _tokenizer.Value;

    /// <summary>The tokenizer, which <paramref name="purpose"/> cannot do without.</summary>
    public Tokenizer RequireTokenizer(string purpose)
    {
        var tokenizer = LoadTokenizer()
            ?? throw new InvalidDataException($"{Folder}: no tokenizer there, which {purpose} needs");
        return tokenizer.VocabularySize <= Configuration.VocabularySize
            ? tokenizer
            : throw new InvalidDataException(
                $"{Folder}: the tokenizer has {tokenizer.VocabularySize} ids, the model only vocab_size {Configuration.VocabularySize}");
    }

    /// <summary>How the model's conversations are written, or null where its folder does not say.</summary>
    /// <param name="templateFile">A template to be used instead of the folder's, or null.</param>
    public ChatFormat? LoadChatFormat(string? templateFile = null) =>
        ChatFormat.Load(Folder, templateFile)?.WithFallback(SpecialTokens());

    /// <summary>How conversations are written, which <paramref name="purpose"/> cannot do without.</summary>
    /// <param name="purpose">A verb or option, for the message.</param>
    /// <param name="templateFile">A template to be used instead of the folder's, or null.</param>
    public ChatFormat RequireChatFormat(string purpose, string? templateFile = null)
    {
        if (templateFile is not null && !File.Exists(templateFile))
        {
            throw new InvalidDataException($"{templateFile}: no such chat template");
        }

        return LoadChatFormat(templateFile) ?? throw new InvalidDataException(
            $"{Folder}: neither chat_template.jinja nor tokenizer_config.json holds a chat template, which {purpose} needs");
    }

    /// <summary>Tokens that end a text.</summary>
    public IReadOnlyList<int> StopIds() => StopTokens.Read(Folder, Configuration);

    /// <summary>The tokens in front of every text.</summary>
    public IReadOnlyList<int> BeginIds(Tokenizer tokenizer) => BeginTokens.Of(tokenizer, Configuration, Folder);

    /// <summary>A text with its begin tokens, without any that the template would put behind it.</summary>
    public int[] Encode(Tokenizer tokenizer, string text) =>
        [.. BeginIds(tokenizer), .. tokenizer.Encode(text, addSpecialTokens: false)];

    /// <summary>Begin and end of text by the names that templates use, as config.json gives them.</summary>
    private JsonObject SpecialTokens()
    {
        var tokens = new JsonObject();
        if (LoadTokenizer() is { } tokenizer)
        {
            int? end = Configuration.EosTokenIds.Length > 0 ? Configuration.EosTokenIds[0] : null;
            foreach (var (name, id) in ((string, int?)[])[("bos_token", Configuration.BosTokenId), ("eos_token", end)])
            {
                if (id is { } known && known < tokenizer.VocabularySize)
                {
                    tokens[name] = tokenizer.Decode([known], skipSpecialTokens: false);
                }
            }
        }

        return tokens;
    }
}
