using Tessera.Models.Checkpoints;
using Tessera.Models.Gguf;
using Tessera.Peers;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

/// <summary>Exported children in llama.cpp itself: they load there, and give the logits that they give here.</summary>
/// <remarks>The prebuilt libraries of the npm package @node-llama-cpp/linux-x64; where they are missing the tests are skipped by name.</remarks>
public sealed class LlamaCppTests(TinyModel files)
{
    private const string Package = "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64";

    private static readonly Lazy<string?> Library = new(Find);

    /// <summary>A child of five unequal layers: fewer key heads, no attention, no feed-forward, a linear map.</summary>
    private string Child => Make("unequal", [
        """{"attention": {"n_heads_in_group": 2}, "ffn": {"intermediate_size": 192}}""", """{"attention": {"no_op": true}, "ffn": {"intermediate_size": 64}}""",
        """{"attention": {"n_heads_in_group": 4}, "ffn": {"no_op": true}}""", """{"attention": {"replace_with_linear": true}, "ffn": {"intermediate_size": 128}}""",
        """{"attention": {"n_heads_in_group": 1}, "ffn": {"intermediate_size": 96}}""",
    ]);

    /// <summary>The same without the linear map, which no padding expresses.</summary>
    private string Paddable => Make("paddable", [
        """{"attention": {"n_heads_in_group": 2}, "ffn": {"intermediate_size": 192}}""", """{"attention": {"no_op": true}, "ffn": {"intermediate_size": 64}}""",
        """{"attention": {"n_heads_in_group": 4}, "ffn": {"no_op": true}}""", """{"attention": {"n_heads_in_group": 1}, "ffn": {"intermediate_size": 96}}""",
    ]);

    private int[] Ids => [.. Enumerable.Range(0, 48).Select(i => i * 53 % files.Tokenizer.VocabularySize)];

    // Weights of 16 bits are multiplied with activations rounded to as many, weights of 8 bits with activations of 8.
    [Theory]
    [Trait("Category", "Slow")]
    [InlineData("f32", 1e-5)]
    [InlineData("f16", 2e-3)]
    [InlineData("bf16", 2e-2)]
    [InlineData("q8_0", 3e-2)]
    public void An_unequal_child_gives_the_same_logits_there(string type, double tolerance)
    {
        Require();
        string file = files.At($"unequal-{type}.gguf");
        Assert.Equal("gguf deci", CliRun.Good("export", Child, "--format", "gguf", "--dtype", type, "--out", file, "--json").Json().GetProperty("form").GetString());
        AssertSame(file, file, tolerance);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public void A_padded_child_is_a_llama_there_and_the_same_function()
    {
        Require();
        string folder = files.At("padded-child"), file = files.At("padded-child.gguf");
        CliRun.Good("export", Paddable, "--format", "llama", "--dtype", "f32", "--out", folder);
        Assert.Equal("gguf llama", CliRun.Good("export", folder, "--format", "gguf", "--dtype", "f32", "--out", file, "--json").Json().GetProperty("form").GetString());
        AssertSame(Paddable, file, 1e-5);
    }

    private void AssertSame(string here, string there, double tolerance)
    {
        float[] expected = Logits.Of(files, here, Ids)[^1];
        using var peer = new LlamaCppModel(there, 64, expected.Length, 2, exact: true);
        peer.Feed(Ids);
        double difference = 0, norm = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            difference += Math.Pow(peer.Logits[i] - expected[i], 2);
            norm += Math.Pow(expected[i], 2);
        }

        Assert.True(norm > 1e-3, "logits are all but zero");
        double distance = Math.Sqrt(difference / norm);
        TestContext.Current.TestOutputHelper?.WriteLine($"{Path.GetFileName(there)}: relative L2 distance of the logits {distance:E2}");
        Assert.InRange(distance, 0, tolerance);
    }

    private static void Require() => Assert.SkipUnless(
        Library.Value is not null, $"llama.cpp is not here: neither TESSERA_LLAMA_CPP names its folder nor is there a {Package}");

    private static string? Find()
    {
        string folder = Environment.GetEnvironmentVariable("TESSERA_LLAMA_CPP") ?? Path.Combine(SharedData.RepositoryRoot, "..", "peer", Package);
        if (!Directory.Exists(folder) || !OperatingSystem.IsLinux())
        {
            return null;
        }

        LlamaCpp.LoadFrom(Path.GetFullPath(folder));
        return folder;
    }

    private string Make(string name, string[] layers)
    {
        string folder = files.At(name);
        if (!Directory.Exists(folder))
        {
            string config = files.Write(name + ".json", $$"""
                {
                  "architectures": ["DeciLMForCausalLM"], "model_type": "nemotron-nas", "hidden_size": 64, "num_attention_heads": 4,
                  "vocab_size": {{files.Tokenizer.VocabularySize}}, "max_position_embeddings": 96, "rms_norm_eps": 1e-5,
                  "bos_token_id": {{files.Begin}}, "eos_token_id": {{files.End}}, "num_hidden_layers": {{layers.Length}},
                  "block_configs": [{{string.Join(", ", layers)}}]
                }
                """);
            CliRun.Good("init", config, "--out", folder, "--tokenizer", files.At("tokenizer"), "--seed", "11");
        }

        return folder;
    }
}
