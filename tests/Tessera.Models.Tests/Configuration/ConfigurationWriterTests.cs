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
