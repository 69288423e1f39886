using Tessera.Models.Tokenizers;

[assembly: AssemblyFixture(typeof(Tessera.Cli.Tests.TinyModel))]

namespace Tessera.Cli.Tests;

/// <summary>A folder with models of a few thousand parameters and a tokenizer, all made by the verbs themselves.</summary>
public sealed class TinyModel : IDisposable
{
    public const int MaxPositions = 96;

    public TinyModel()
    {
        Root = Directory.CreateTempSubdirectory("tessera-cli-").FullName;
        string tokenizer = At("tokenizer");
        CliRun.Good("tokenizer", "train", "--problems", "60", "--vocab-size", "280", "--split-digits", "--out", tokenizer);
        Tokenizer = Tokenizer.Load(tokenizer);
        Begin = Tokenizer.TokenId("<s>")!.Value;
        End = Tokenizer.TokenId("</s>")!.Value;
        Plain = Make("plain", Layer(2, 48), Layer(2, 48));
        Mixed = Make("mixed", Layer(2, 48), Layer(null, 32), Layer(1, null), Layer(4, 64));
        Free = Make("free", Layer(2, 48), Layer(null, 32), Layer(null, 16), Layer(null, 24), Layer(2, 48));
        WithLinear = Make("linear", Layer(2, 48), """{"attention": {"replace_with_linear": true}, "ffn": {"intermediate_size": 48}}""");
    }

    public string Root { get; }

    public Tokenizer Tokenizer { get; }

    public int Begin { get; }

    public int End { get; }

    /// <summary>Two equal layers.</summary>
    public string Plain { get; }

    /// <summary>Four different layers, some halves absent.</summary>
    public string Mixed { get; }

    /// <summary>Five layers, the middle three without attention.</summary>
    public string Free { get; }

    /// <summary>The second layer has a linear map in place of attention.</summary>
    public string WithLinear { get; }

    public string At(string name) => Path.Combine(Root, name);

    public string Write(string name, string content)
    {
        File.WriteAllText(At(name), content);
        return At(name);
    }

    /// <summary>A copy of <see cref="Plain"/> with a chat template beside it; the original has none.</summary>
    public string PlainWithTemplate(string name, string template)
    {
        Directory.CreateDirectory(At(name));
        foreach (string file in Directory.GetFiles(Plain))
        {
            File.Copy(file, Path.Combine(At(name), Path.GetFileName(file)), overwrite: true);
        }

        Write(Path.Combine(name, "chat_template.jinja"), template);
        return At(name);
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);

    private static string Layer(int? kvHeads, int? width)
    {
        string attention = kvHeads is { } heads ? $"\"n_heads_in_group\": {4 / heads}" : "\"no_op\": true";
        string ffn = width is { } w ? $"\"intermediate_size\": {w}" : "\"no_op\": true";
        return $$"""{"attention": { {{attention}} }, "ffn": { {{ffn}} } }""";
    }

    private string Make(string name, params string[] layers)
    {
        string config = Write(name + ".json", $$"""
            {
              "architectures": ["DeciLMForCausalLM"], "model_type": "nemotron-nas", "hidden_size": 32, "num_attention_heads": 4,
              "vocab_size": {{Tokenizer.VocabularySize}}, "max_position_embeddings": {{MaxPositions}}, "rms_norm_eps": 1e-5,
              "bos_token_id": {{Begin}}, "eos_token_id": {{End}}, "num_hidden_layers": {{layers.Length}},
              "block_configs": [{{string.Join(", ", layers)}}]
            }
            """);
        CliRun.Good("init", config, "--out", At(name), "--tokenizer", At("tokenizer"), "--seed", "7");
        return At(name);
    }
}
