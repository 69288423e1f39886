using System.Text.Json;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Configuration;

namespace Tessera.Models.Tests.Configuration;

public sealed class ConfigurationWriterTests : IDisposable
{
    private static readonly LayerConfiguration Plain = new(new AttentionConfiguration(2), new SwiGluConfiguration(512));

    private static readonly ModelConfiguration Small = new()
    {
        Architecture = ModelFamily.DeciLm,
        VocabularySize = 320,
        HiddenSize = 64,
        HeadCount = 8,
        HeadDim = 8,
        RmsNormEpsilon = 1e-5,
        RopeTheta = 500_000,
        RopeScaling = new Llama3RopeScaling(8, 1, 4, 128),
        MaxPositions = 512,
        BosTokenId = 1,
        EosTokenIds = [2],
        StorageType = DType.F32,
        Layers =
        [
            Plain,
            new(new NoMixerConfiguration(), new SwiGluConfiguration(172)),
            new(new LinearMixerConfiguration(), new NoFeedForwardConfiguration()),
            new(new NoMixerConfiguration(), new LinearFeedForwardConfiguration()),
        ],
    };

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_model_of_unequal_layers_is_written_with_every_key_of_the_published_form()
    {
        using JsonDocument document = Written(Small);
        JsonElement root = document.RootElement;
        Assert.Equal("[\"DeciLMForCausalLM\"]", Compact(root.GetProperty("architectures")));
        Assert.Equal("nemotron-nas", root.GetProperty("model_type").GetString());
        Assert.Equal("null", root.GetProperty("intermediate_size").GetRawText());
        Assert.Equal("null", root.GetProperty("num_key_value_heads").GetRawText());
        Assert.Equal("configuration_decilm.DeciLMConfig", root.GetProperty("auto_map").GetProperty("AutoConfig").GetString());
        const string Rest = "\"window_length\":null,\"num_sink_tokens\":null,"
            + "\"use_prefill_window_in_sink_attention\":false,\"unshifted_sink\":false,\"sparsify\":null";
        string[] attention = ["false,false,4", "true,false,null", "false,true,null", "true,false,null"];
        string[] ffn =
        [
            "false,false,\"ffn_mult\":12.0", "false,false,\"intermediate_size\":172", "true,false,\"ffn_mult\":null",
            "false,true,\"ffn_mult\":null",
        ];
        for (int i = 0; i < 4; i++)
        {
            string[] a = attention[i].Split(','), f = ffn[i].Split(',');
            Assert.Equal(
                $"{{\"attention\":{{\"no_op\":{a[0]},\"replace_with_linear\":{a[1]},\"n_heads_in_group\":{a[2]},{Rest}}},"
                + $"\"ffn\":{{\"no_op\":{f[0]},\"replace_with_linear\":{f[1]},{f[2]},\"sparsify\":null}}}}",
                Compact(root.GetProperty("block_configs")[i]));
        }

        Assert.False(root.TryGetProperty("head_dim", out _));
        Assert.Equal(Small, RoundTrip(Small));
    }

    [Fact]
    public void A_model_of_equal_layers_is_written_as_Llama_with_the_old_keys()
    {
        ModelConfiguration uniform = Small with
        {
            Layers = [Plain, Plain],
            EosTokenIds = [2, 3],
            StorageType = DType.BF16,
            TieEmbeddings = true,
        };
        using JsonDocument document = Written(uniform);
        Assert.Equal(
            """
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","intermediate_size":512,"num_key_value_heads":2,
            "attention_bias":false,"attention_dropout":0.0,"bos_token_id":1,"eos_token_id":[2,3],"hidden_act":"silu",
            "hidden_size":64,"initializer_range":0.02,"max_position_embeddings":512,"mlp_bias":false,"num_attention_heads":8,
            "num_hidden_layers":2,"pretraining_tp":1,"rms_norm_eps":1E-05,"rope_scaling":{"factor":8.0,"high_freq_factor":4.0,
            "low_freq_factor":1.0,"original_max_position_embeddings":128,"rope_type":"llama3"},"rope_theta":500000.0,
            "tie_word_embeddings":true,"torch_dtype":"bfloat16","use_cache":true,"vocab_size":320}
            """.ReplaceLineEndings(string.Empty),
            Compact(document.RootElement));
        Assert.Equal(uniform with { Architecture = ModelFamily.Llama }, RoundTrip(uniform));
    }

    [Fact]
    public void Heads_of_an_unusual_size_missing_tokens_and_odd_numbers_survive()
    {
        ModelConfiguration odd = Small with
        {
            HeadDim = 10,
            BosTokenId = null,
            EosTokenIds = [],
            RopeScaling = null,
            RopeTheta = 10_000.123456789,
            RmsNormEpsilon = double.Epsilon,
        };
        Assert.Equal(odd, RoundTrip(odd));
        ModelConfiguration uniform = odd with { Architecture = ModelFamily.Llama, Layers = [Plain] };
        Assert.Equal(uniform, RoundTrip(uniform));
    }

    [Theory]
    [InlineData(64)]
    [InlineData(384)]
    [InlineData(3072)]
    [InlineData(16_384)]
    [InlineData(1_048_576)]
    public void Every_width_survives_and_multiples_of_256_get_a_multiplier(int hidden)
    {
        var widths = new List<int> { 1, 255, 257, 1000, 425_984, 1 << 24, (1 << 24) - 1 };
        for (int i = 1; i <= 300; i++)
        {
            widths.Add(256 * i * i % (1 << 24));
        }

        widths.RemoveAll(width => width == 0);
        ModelConfiguration model = Small with
        {
            HiddenSize = hidden,
            HeadDim = hidden / 8 > 16_384 ? 16_384 : hidden / 8,
            Layers =
            [
                new(new NoMixerConfiguration(), new NoFeedForwardConfiguration()),
                .. widths.Select(width => new LayerConfiguration(new NoMixerConfiguration(), new SwiGluConfiguration(width))),
            ],
        };
        Assert.Equal(model, RoundTrip(model));
        if (hidden > 16_384)
        {
            return;
        }

        using JsonDocument document = Written(model);
        for (int i = 0; i < widths.Count; i++)
        {
            JsonElement ffn = document.RootElement.GetProperty("block_configs")[i + 1].GetProperty("ffn");
            Assert.Equal(widths[i] % 256 == 0, ffn.TryGetProperty("ffn_mult", out JsonElement multiplier));
            Assert.True(widths[i] % 256 != 0 || multiplier.GetRawText().Contains('.', StringComparison.Ordinal), multiplier.ToString());
        }
    }

    [Fact]
    public void A_configuration_beyond_a_limit_is_not_written()
    {
        string path = _folder.File("config.json");
        var error = Assert.Throws<InvalidDataException>(() => ConfigurationWriter.Write(Small with { HeadDim = 7 }, path));
        Assert.Equal($"{path}: head_dim is 7, expected an even number, since rotary positions turn pairs", error.Message);
        Assert.False(File.Exists(path));
        ModelConfiguration layers = Small with { Layers = [new(new AttentionConfiguration(3), new NoFeedForwardConfiguration())] };
        Assert.Contains(
            "num_key_value_heads of layer 0 is 3, expected a divisor of num_attention_heads 8",
            Assert.Throws<InvalidDataException>(() => layers.Validate("shape")).Message,
            StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => (Small with { Layers = [] }).Validate("shape"));
        Assert.Throws<InvalidDataException>(() => (Small with { Layers = default }).Validate("shape"));
        Assert.Throws<InvalidDataException>(() => (Small with { StorageType = DType.I32 }).Validate("shape"));
    }

    [Fact]
    public void Configurations_are_equal_by_value_and_differ_in_any_layer()
    {
        ModelConfiguration copy = Small with { Layers = [.. Small.Layers], EosTokenIds = [2] };
        Assert.Equal(Small, copy);
        Assert.Equal(Small.GetHashCode(), copy.GetHashCode());
        Assert.NotEqual(Small, Small with { Layers = Small.Layers.SetItem(3, Plain) });
        Assert.NotEqual(Small, Small with { EosTokenIds = [3] });
        Assert.NotEqual(Small, Small with { RopeTheta = 1 });
    }

    [Theory]
    [InlineData("llama", "LlamaForCausalLM", false)]
    [InlineData("llama-biases", "LlamaForCausalLM", false)]
    [InlineData("qwen2", "Qwen2ForCausalLM", false)]
    [InlineData("qwen3", "Qwen3ForCausalLM", false)]
    [InlineData("qwen3-biases", "Qwen3ForCausalLM", false)]
    [InlineData("mistral", "MistralForCausalLM", false)]
    [InlineData("decilm", "DeciLMForCausalLM", true)]
    [InlineData("decilm-windows", "DeciLMForCausalLM", true)]
    [InlineData("qwen2-child", "Qwen2ForCausalLM", true)]
    [InlineData("qwen3-child", "Qwen3ForCausalLM", true)]
    public void Every_family_is_written_in_its_own_dialect_and_comes_back(string name, string form, bool hasBlocks)
    {
        ModelConfiguration model = FamilyModels.Configurations[name];
        Assert.Equal(model, RoundTrip(model));
        using JsonDocument document = Written(model);
        Assert.Equal($"[\"{form}\"]", Compact(document.RootElement.GetProperty("architectures")));
        Assert.Equal(hasBlocks, document.RootElement.TryGetProperty("block_configs", out _));
        Assert.Equal(form.StartsWith("Qwen", StringComparison.Ordinal), document.RootElement.TryGetProperty("use_sliding_window", out _));
    }

    [Fact]
    public void Equal_layers_of_another_family_take_the_first_form_that_can_say_them()
    {
        ModelConfiguration windows = Small with { Layers = [.. Enumerable.Repeat(new LayerConfiguration(new AttentionConfiguration(2) { Window = 9 }, new SwiGluConfiguration(8)), 2)] };
        Assert.Equal(windows with { Architecture = ModelFamily.Mistral }, RoundTrip(windows));
        var norms = new LayerConfiguration(new AttentionConfiguration(2) { HasHeadNorms = true }, new SwiGluConfiguration(8));
        Assert.Equal(Small with { Architecture = ModelFamily.Qwen3, Layers = [norms] }, RoundTrip(Small with { Layers = [norms] }));
        ModelConfiguration children = Small with { Architecture = ModelFamily.Mistral, Layers = [windows.Layers[0], Plain] };
        Assert.Equal(children with { Architecture = ModelFamily.DeciLm }, RoundTrip(children));
    }

    [Fact]
    public void Layers_that_no_form_can_say_are_refused_with_one_sentence()
    {
        var biased = new LayerConfiguration(new AttentionConfiguration(2) { HasQkvBias = true }, new SwiGluConfiguration(512));
        AssertRefused("layers differ in biases or head norms", Plain, biased);
        AssertRefused("layer 0 has kv2 ffn512, layer 2 has kv2-qkvbias ffn512", Plain, Plain, biased);
        AssertRefused("can say these biases, norms and windows together", new LayerConfiguration(
            new AttentionConfiguration(2) { HasOutputBias = true }, new SwiGluConfiguration(512)));
        AssertRefused("can say these biases, norms and windows together", new LayerConfiguration(
            new AttentionConfiguration(2) { HasHeadNorms = true }, new SwiGluConfiguration(512) { HasBias = true }));
        AssertRefused(
            "can say these biases, norms and windows together", new(new AttentionConfiguration(2) { HasHeadNorms = true, Window = 3 }, Plain.FeedForward),
            new(new AttentionConfiguration(2) { HasHeadNorms = true, Window = 4 }, Plain.FeedForward));

        void AssertRefused(string sentence, params LayerConfiguration[] layers)
        {
            string path = _folder.File("config.json");
            var error = Assert.Throws<InvalidDataException>(() => ConfigurationWriter.Write(Small with { Layers = [.. layers] }, path));
            Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
            Assert.Contains(sentence, error.Message, StringComparison.Ordinal);
            Assert.False(File.Exists(path));
        }
    }

    [Fact]
    public void Every_scaling_of_the_rotation_comes_back()
    {
        RopeScaling[] scalings =
        [
            new LinearRopeScaling(2.5), new DynamicRopeScaling(2, 512), new YarnRopeScaling(4, 128),
            new YarnRopeScaling(4, 128) { BetaFast = 16, BetaSlow = 2, GivenAmplitude = 1.25, Truncates = false },
        ];
        foreach (RopeScaling scaling in scalings)
        {
            ModelConfiguration model = Small with { RopeScaling = scaling };
            Assert.Equal(model, RoundTrip(model));
        }

        Assert.Throws<InvalidDataException>(() => (Small with { RopeScaling = new DynamicRopeScaling(2, 511) }).Validate("shape"));
        Assert.Throws<InvalidDataException>(() => (Small with { RopeTheta = 1, RopeScaling = new YarnRopeScaling(2, 511) }).Validate("shape"));
    }

    public void Dispose() => _folder.Dispose();

    private static string Compact(JsonElement element)
    {
        // Numbers as they stand in the file, so that 12.0 is told from 12.
        string text = element.GetRawText();
        return string.Concat(text.Where(c => !char.IsWhiteSpace(c)));
    }

    private JsonDocument Written(ModelConfiguration model)
    {
        string path = _folder.File("config.json");
        ConfigurationWriter.Write(model, path);
        return JsonDocument.Parse(File.ReadAllText(path));
    }

    private ModelConfiguration RoundTrip(ModelConfiguration model)
    {
        string path = _folder.File("config.json");
        ConfigurationWriter.Write(model, path);
        return ConfigurationReader.Read(path);
    }
}
