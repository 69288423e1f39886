using System.Formats.Tar;
using System.IO.Compression;
using Tessera.Devices;
using Tessera.Models.Safetensors;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

/// <summary>Models of every family through the verbs.</summary>
public sealed class FamilyTests(TinyModel files)
{
    private const string Window = "\"sliding_window\": 7";
    private const string QwenWindow = "\"use_sliding_window\": true, \"sliding_window\": 7, \"max_window_layers\": 1";

    private int[] Ids => [.. Enumerable.Range(0, 40).Select(i => i * 53 % files.Tokenizer.VocabularySize)];

    [Theory]
    [InlineData("llama3")]
    [InlineData("llama3_tied_headdim")]
    [InlineData("nemotron_nas")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("mistral_window")]
    public unsafe void Logits_and_gradients_of_published_shapes_are_those_of_transformers(string name)
    {
        using (FileStream packed = File.OpenRead(SharedData.Require("parity", $"{name}.tar.gz")))
        using (var plain = new GZipStream(packed, CompressionMode.Decompress))
        {
            TarFile.ExtractToDirectory(plain, files.Root, overwriteFiles: true);
        }

        string input = Path.Combine(files.At(name), "reference.safetensors"), output = files.At($"{name}-out.safetensors");
        CliRun.Good("logits", files.At(name), "--input", input, "--output", output, "--gradients", "--threads", "1");
        using var actual = SafetensorsCheckpoint.Open(output);
        using var expected = SafetensorsCheckpoint.Open(input);
        Assert.Equal(
            expected.Names.Where(tensor => tensor is not ("input_ids" or "greedy")).Order(StringComparer.Ordinal),
            actual.Names.Order(StringComparer.Ordinal));
        foreach (string tensor in actual.Names)
        {
            double error = Errors.RelativeL2(Floats(actual, tensor), Floats(expected, tensor).AsSpan());
            Assert.True(error <= (tensor is "logits" or "loss" ? 2e-5 : 1e-4), $"{tensor} differs by {error:E2}");
        }

        static float[] Floats(SafetensorsCheckpoint file, string name)
        {
            Assert.True(file.TryGet(name, out var tensor));
            float[] values = new float[tensor.ElementCount];
            fixed (float* target = values)
            {
                file.CopyTo(name, DType.F32, (nint)target, tensor.Shape);
            }

            return values;
        }
    }

    [Theory]
    [InlineData("Qwen2ForCausalLM", QwenWindow, "kv2-qkvbias", "kv2-w7-qkvbias")]
    [InlineData("Qwen3ForCausalLM", "\"head_dim\": 8, " + QwenWindow, "kv2-norm", "kv2-w7-norm")]
    [InlineData("MistralForCausalLM", Window, "kv2-w7", "kv2-w7")]
    [InlineData("LlamaForCausalLM", "\"attention_bias\": true", "kv2-bias", "kv2-bias")]
    public void A_family_is_made_inspected_exported_and_continued(string name, string members, string first, string second)
    {
        string model = Make(name, members);
        var json = CliRun.Good("inspect", model, "--json").Json();
        Assert.Equal(name, json.GetProperty("architecture").GetString() + "ForCausalLM");
        Assert.True(json.GetProperty("weights").GetProperty("fits").GetBoolean());
        Assert.Equal([first, second], json.GetProperty("per_layer").EnumerateArray().Select(layer => layer.GetProperty("mixer").GetString()));

        string copy = model + "-copy";
        Assert.Equal(name, CliRun.Good("export", model, "--out", copy, "--json").Json().GetProperty("form").GetString() + "ForCausalLM");
        Assert.Equal(Logits.Of(files, model, Ids), Logits.Of(files, copy, Ids));
        CliRun.Good("generate", model, "--prompt", "1+2", "--max-new-tokens", "20", "--temperature", "0");
    }

    [Fact]
    public void Qwen2_becomes_a_plain_llama_and_others_are_refused_by_name()
    {
        string model = Make("Qwen2ForCausalLM", "\"tie_word_embeddings\": true"), folder = model + "-llama";
        CliRun.Good("export", model, "--format", "llama", "--out", folder);
        Assert.Contains("\"attention_bias\": true", File.ReadAllText(Path.Combine(folder, "config.json")));
        float largest = Logits.Of(files, model, Ids).SelectMany(row => row)
            .Zip(Logits.Of(files, folder, Ids).SelectMany(row => row), (a, b) => Math.Abs(a - b)).Max();
        Assert.InRange(largest, 0, 1e-5f);

        string mistral = Make("MistralForCausalLM", Window);
        CliRun.Refused(["export", mistral, "--format", "llama", "--out", files.At("never")], "layer 0", "sliding window of 7");
        Assert.False(Directory.Exists(files.At("never")));
    }

    [Fact]
    public void A_tokenizer_that_refuses_a_first_token_gets_none()
    {
        string model = Make("Qwen2ForCausalLM", $"\"bos_token_id\": {files.Begin}");
        string prose = files.Write("family-prose.txt", string.Concat(Enumerable.Repeat("1+2=3 and more. ", 12)));
        long with = Tokens();
        File.WriteAllText(Path.Combine(model, "tokenizer_config.json"), "{\"add_bos_token\": false}");
        long without = Tokens();
        File.WriteAllText(Path.Combine(model, "tokenizer_config.json"), "{\"bos_token\": null}");
        Assert.Equal(without, Tokens());

        // The first token of a text is predicted from the begin token alone; without one it is only read.
        Assert.Equal(with - 1, without);

        long Tokens() => CliRun.Good("perplexity", model, "--text", prose, "--json").Json().GetProperty("tokens").GetInt64();
    }

    private string Make(string name, string members)
    {
        string folder = files.At($"{name}-{Guid.NewGuid():N}");
        string config = files.Write(Path.GetFileName(folder) + ".json", $$"""
            {
              "architectures": ["{{name}}"], "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4,
              "num_key_value_heads": 2, "num_hidden_layers": 2, "vocab_size": {{files.Tokenizer.VocabularySize}},
              "max_position_embeddings": 96, "eos_token_id": {{files.End}}, {{members}}
            }
            """);
        CliRun.Good("init", config, "--out", folder, "--tokenizer", files.At("tokenizer"), "--seed", "7");
        return folder;
    }
}
