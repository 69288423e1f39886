using Tessera.Kernels;
using Tessera.Models.Configuration;

namespace Tessera.Models.Tests.Configuration;

/// <summary>Files of Qwen2, Qwen3, Mistral and of per-layer forms, in the spellings that are met.</summary>
public sealed class FamilyDialectTests : IDisposable
{
    private const string Sizes =
        "\"hidden_size\": 64, \"intermediate_size\": 176, \"vocab_size\": 320, \"num_attention_heads\": 8, \"num_key_value_heads\": 4, "
        + "\"num_hidden_layers\": 3, \"max_position_embeddings\": 512";

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, int, string, int, int, int?, int> Defaults() => new()
    {
        { "LlamaForCausalLM", 32_000, "kv32 ffn11008", 128, 2048, 1, 1 },
        { "Qwen2ForCausalLM", 151_936, "kv32-qkvbias ffn22016", 128, 32_768, null, 0 },
        { "Qwen3ForCausalLM", 151_936, "kv32-norm ffn22016", 128, 32_768, null, 0 },
        { "MistralForCausalLM", 32_000, "kv8-w4096 ffn14336", 128, 131_072, 1, 1 },
    };

    [Theory]
    [MemberData(nameof(Defaults))]
    public void Absent_keys_take_the_defaults_of_each_family(
        string name, int vocabulary, string layer, int headDim, int positions, int? bos, int eosTokens)
    {
        ModelConfiguration model = Read($$"""{"architectures": ["{{name}}"]}""");
        Assert.Equal(
            (vocabulary, 4096, 32, headDim, positions, 1e-6, 10_000.0, false),
            (model.VocabularySize, model.HiddenSize, model.HeadCount, model.HeadDim, model.MaxPositions, model.RmsNormEpsilon,
                model.RopeTheta, model.TieEmbeddings));
        Assert.Equal(Enumerable.Repeat(layer, 32), model.Layers.Select(l => l.ToString()));
        Assert.Equal((bos, eosTokens), (model.BosTokenId, model.EosTokenIds.Length));
    }

    [Theory]
    [InlineData("qwen2", ModelFamily.Qwen2)]
    [InlineData("qwen3", ModelFamily.Qwen3)]
    [InlineData("mistral", ModelFamily.Mistral)]
    [InlineData("llama", ModelFamily.Llama)]
    public void The_model_type_names_the_family_where_the_class_is_missing(string type, ModelFamily family) =>
        Assert.Equal(family, Read($$"""{"model_type": "{{type}}", {{Sizes}}}""").Architecture);

    [Fact]
    public void Qwen3_heads_are_of_128_unless_the_file_says_otherwise_and_others_share_the_hidden_size()
    {
        Assert.Equal(128, Read(File("Qwen3ForCausalLM")).HeadDim);
        Assert.Equal(16, Read(File("Qwen3ForCausalLM", "\"head_dim\": 16")).HeadDim);
        Assert.Equal(8, Read(File("Qwen2ForCausalLM")).HeadDim);
        Assert.Equal(8, Read(File("MistralForCausalLM", "\"head_dim\": null")).HeadDim);
    }

    [Theory]
    [InlineData("LlamaForCausalLM", "\"attention_bias\": true", "kv4-bias ffn176")]
    [InlineData("LlamaForCausalLM", "\"mlp_bias\": true", "kv4 ffn176-bias")]
    [InlineData("LlamaForCausalLM", "\"sliding_window\": 16", "kv4 ffn176")]
    [InlineData("Qwen2ForCausalLM", "\"attention_bias\": false", "kv4-qkvbias ffn176")]
    [InlineData("Qwen3ForCausalLM", "\"attention_bias\": true", "kv4-bias-norm ffn176")]
    [InlineData("MistralForCausalLM", "\"sliding_window\": 16", "kv4-w16 ffn176")]
    [InlineData("MistralForCausalLM", "\"sliding_window\": null", "kv4 ffn176")]
    public void Biases_norms_and_windows_are_those_of_the_family(string name, string members, string layer) =>
        Assert.All(Read(File(name, members)).Layers, l => Assert.Equal(layer, l.ToString()));

    [Theory]
    [InlineData("\"sliding_window\": 16", "- - -")]
    [InlineData("\"use_sliding_window\": true", "- - -")]
    [InlineData("\"use_sliding_window\": true, \"sliding_window\": 16, \"max_window_layers\": 1", "- 16 16")]
    [InlineData("\"use_sliding_window\": true, \"max_window_layers\": 0", "4096 4096 4096")]
    [InlineData("\"use_sliding_window\": true, \"sliding_window\": null, \"max_window_layers\": 0", "- - -")]
    [InlineData(
        "\"use_sliding_window\": true, \"sliding_window\": 9, \"max_window_layers\": 3, "
        + "\"layer_types\": [\"sliding_attention\", \"full_attention\", \"sliding_attention\"]", "9 - 9")]
    public void Qwen_windows_begin_behind_the_last_windowless_layer_or_follow_the_list(string members, string windows)
    {
        foreach (string name in (string[])["Qwen2ForCausalLM", "Qwen3ForCausalLM"])
        {
            var mixers = Read(File(name, members)).Layers.Select(layer => ((AttentionConfiguration)layer.Mixer).Window?.ToString() ?? "-");
            Assert.Equal(windows, string.Join(' ', mixers));
        }
    }

    [Theory]
    [InlineData("Qwen2ForCausalLM", "\"layer_types\": [\"full_attention\", \"full_attention\", \"sliding_attention\"]", "layer_types is [\"full_attention\"")]
    [InlineData("MistralForCausalLM", "\"layer_types\": [\"full_attention\", \"full_attention\", \"sliding_attention\"]", "expected \"sliding_attention\" in every layer")]
    [InlineData("MistralForCausalLM", "\"sliding_window\": 0", "sliding_window is 0, expected an integer from 1 to")]
    [InlineData("Qwen3ForCausalLM", "\"use_sliding_window\": true, \"max_window_layers\": -1", "max_window_layers is -1, expected")]
    [InlineData("Qwen3ForCausalLM", "\"num_key_value_heads\": 3", "num_key_value_heads is 3, expected a divisor of num_attention_heads 8")]
    public void Contradictions_are_refused(string name, string members, string sentence) => Refused(File(name, members), sentence);

    [Fact]
    public void A_default_number_of_heads_that_does_not_fit_is_refused() => Refused(
        """{"architectures": ["Qwen2ForCausalLM"], "num_attention_heads": 8, "hidden_size": 64}""",
        "num_key_value_heads is missing, expected a divisor of num_attention_heads 8");

    [Fact]
    public void The_old_DeciLM_form_has_one_list_of_heads()
    {
        const string Old = "\"num_key_value_heads_per_layer\": [8, 2, 1], \"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2.0}";
        ModelConfiguration model = Read(File("DeciLMForCausalLM", Old));
        Assert.Equal(["kv8 ffn176", "kv2 ffn176", "kv1 ffn176"], model.Layers.Select(layer => layer.ToString()));
        Assert.Equal(new DynamicRopeScaling(2, 512), model.RopeScaling);
        Refused(File("DeciLMForCausalLM", "\"num_key_value_heads_per_layer\": [8, 3, 1]"), "expected 3 divisors of num_attention_heads 8");
        Refused(File("DeciLMForCausalLM", "\"num_key_value_heads_per_layer\": [8, 2]"), "num_key_value_heads_per_layer is [8, 2]");
    }

    [Fact]
    public void Puzzletrons_DeciLM_form_names_widths_and_has_a_head_size_and_an_output_bias_of_its_own()
    {
        const string Block = "{\"attention\": {\"n_heads_in_group\": 4, \"mamba\": null, \"llama4\": null, \"weights_precision\": \"bf16\"}, "
            + "\"ffn\": {\"intermediate_size\": 256, \"gated\": true, \"hidden_act\": \"silu\", \"moe\": null}, \"parallel_blocks\": null}";
        const string Common = "{\"architectures\": [\"DeciLMForCausalLM\"], \"hidden_size\": 64, \"num_attention_heads\": 8, "
            + "\"vocab_size\": 320, \"attention_bias\": true, \"block_configs\": [" + Block + "]";
        ModelConfiguration model = Read(Common + ", \"o_proj_bias\": false, \"position_embedding_type\": \"rope\"}");
        Assert.Equal(("kv2-qkvbias ffn256", 128), (model.Layers[0].ToString(), model.HeadDim));
        Assert.Equal(("kv2-bias ffn256", 8), (Read(Common + "}").Layers[0].ToString(), Read(Common + "}").HeadDim));
    }

    [Fact]
    public void The_AnyModel_form_keeps_the_familys_keys_and_changes_layers_by_blocks()
    {
        string[] blocks =
        [
            "{\"attention\": {\"num_key_value_heads\": 2}, \"ffn\": {\"intermediate_size\": 99}}",
            "{\"attention\": {\"no_op\": true}, \"ffn\": {}}",
            "{\"attention\": {}, \"ffn\": {\"no_op\": true, \"intermediate_size\": null}}",
        ];
        string list = $"\"block_configs\": [{string.Join(", ", blocks)}]";
        Assert.Equal(["kv2 ffn99", "none ffn176", "kv4 none"], Labels(Read(File("LlamaForCausalLM", list))));
        Assert.Equal(
            ["kv2-norm ffn99", "none ffn176", "kv4-w16-norm none"],
            Labels(Read(File("Qwen3ForCausalLM", list + ", \"use_sliding_window\": true, \"sliding_window\": 16, \"max_window_layers\": 1"))));
        Assert.Equal(["kv2-w7 ffn99", "none ffn176", "kv4-w7 none"], Labels(Read(File("MistralForCausalLM", list + ", \"sliding_window\": 7"))));
        Refused(
            File("LlamaForCausalLM", list.Replace("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 5", StringComparison.Ordinal)),
            "block_configs[0].attention.num_key_value_heads is 5, expected a divisor");
    }

    [Fact]
    public void Per_layer_maps_say_what_differs()
    {
        const string Map = "\"per_layer_config\": {\"00\": {\"num_key_value_heads\": 2, \"skip\": [\"mlp\"]}, "
            + "\"02\": {\"intermediate_size\": 33, \"skip\": [\"attention\"]}}";
        Assert.Equal(["kv2 none", "kv4 ffn176", "none ffn33"], Labels(Read(File("LlamaForCausalLM", Map))));
        Assert.Equal(["kv2-qkvbias none", "kv4-qkvbias ffn176", "none ffn33"], Labels(Read(File("Qwen2ForCausalLM", Map))));
        Assert.Equal(
            ["kv4-w5 ffn176", "kv4 ffn176", "kv4-w5 ffn176"],
            Labels(Read(File("MistralForCausalLM", "\"sliding_window\": 5, \"per_layer_config\": {\"1\": {\"sliding_window\": null}}"))));
    }

    [Theory]
    [InlineData("{\"3\": {}}", "per_layer_config.3 is {}, expected layers from 0 to 2 as keys")]
    [InlineData("{\"-1\": {}}", "per_layer_config.-1 is {}, expected layers from 0 to 2")]
    [InlineData("{\"one\": {}}", "per_layer_config.one is {}, expected layers")]
    [InlineData("{\"1\": {}, \"01\": {}}", "per_layer_config.01 is {}, expected one entry for layer 1")]
    [InlineData("{\"1\": 5}", "per_layer_config.1 is 5, expected an object")]
    [InlineData("{\"1\": {\"head_dim\": 4}}", "per_layer_config.1.head_dim is 4, expected num_key_value_heads, sliding_window")]
    [InlineData("{\"1\": {\"skip\": [\"norm\"]}}", "per_layer_config.1.skip is [\"norm\"], expected a list of \"attention\" and \"mlp\"")]
    [InlineData("{\"1\": {\"num_key_value_heads\": 3}}", "per_layer_config.1.num_key_value_heads is 3, expected a divisor")]
    [InlineData("[]", "per_layer_config is [], expected an object")]
    public void A_bad_map_is_refused_by_its_path(string map, string sentence) =>
        Refused(File("LlamaForCausalLM", "\"per_layer_config\": " + map), sentence);

    [Fact]
    public void All_kinds_of_scaling_are_read_in_both_spellings()
    {
        const string Yarn = "\"factor\": 4.0, \"beta_fast\": 16, \"beta_slow\": 2, \"attention_factor\": 1.5, \"truncate\": false";
        var expected = new YarnRopeScaling(4, 128) { BetaFast = 16, BetaSlow = 2, GivenAmplitude = 1.5, Truncates = false };
        foreach (string key in (string[])["rope_scaling", "rope_parameters"])
        {
            Assert.Equal(new LinearRopeScaling(2), Scaling($"\"{key}\": {{\"type\": \"linear\", \"factor\": 2}}"));
            Assert.Equal(new YarnRopeScaling(4, 512), Scaling($"\"{key}\": {{\"rope_type\": \"yarn\", \"factor\": 4}}"));
            Assert.Equal(
                expected, Scaling($"\"{key}\": {{\"rope_type\": \"yarn\", {Yarn}, \"original_max_position_embeddings\": 128}}"));
        }

        ModelConfiguration nested = Read(File(
            "Qwen3ForCausalLM",
            "\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"linear\", \"factor\": 2, \"rope_theta\": 7}, "
            + "\"sliding_attention\": {\"rope_type\": \"linear\", \"factor\": 2, \"rope_theta\": 7}}"));
        Assert.Equal((7.0, new LinearRopeScaling(2)), (nested.RopeTheta, nested.RopeScaling));

        RopeScaling? Scaling(string members) => Read(File("Qwen2ForCausalLM", members)).RopeScaling;
    }

    [Theory]
    [InlineData("qwen2", "kv2-qkvbias ffn176", true)]
    [InlineData("qwen3", "kv2-norm ffn176", false)]
    [InlineData("mistral_window", "kv2-w16 ffn176", false)]
    public void Parity_models_count_the_parameters_that_their_files_hold(string name, string layer, bool tied)
    {
        using var fixture = new ParityFixture(name);
        ModelConfiguration model = ConfigurationReader.Read(Path.Combine(fixture.Folder, "config.json"));
        using var checkpoint = fixture.OpenModel();
        Assert.Equal(checkpoint.Files.SelectMany(file => file.Tensors).Sum(tensor => tensor.ElementCount), model.ParameterCount);
        Assert.Equal(Enumerable.Repeat(layer, 4), Labels(model));
        Assert.Equal(tied, model.TieEmbeddings);
    }

    [Fact]
    public void A_window_bounds_the_cost_of_attention_and_not_the_cache()
    {
        ModelConfiguration windowed = Read(File("MistralForCausalLM", "\"sliding_window\": 16"));
        ModelConfiguration plain = Read(File("MistralForCausalLM", "\"sliding_window\": null"));
        Assert.Equal(plain.FlopsPerToken(16), windowed.FlopsPerToken(16));
        Assert.Equal(plain.FlopsPerToken(16), windowed.FlopsPerToken(400));
        Assert.Equal(plain.KvElementsPerToken, windowed.KvElementsPerToken);
        Assert.Equal(plain.ParameterCount, windowed.ParameterCount);
    }

    public void Dispose() => _folder.Dispose();

    private static IEnumerable<string> Labels(ModelConfiguration model) => model.Layers.Select(layer => layer.ToString());

    private static string File(string name, string? members = null)
    {
        // A key that the members begin with takes the place of the usual one.
        string kept = string.Join(
            ", ", Sizes.Split(", ").Where(member => members?.StartsWith(member[..(member.IndexOf(':') + 1)], StringComparison.Ordinal) != true));
        return $$"""{"architectures": ["{{name}}"], {{kept}}{{(members is null ? "" : ", " + members)}}}""";
    }

    private ModelConfiguration Read(string content) => ConfigurationReader.Read(_folder.Write("config.json", content));

    private void Refused(string content, string sentence)
    {
        string path = _folder.Write("config.json", content);
        var error = Assert.Throws<InvalidDataException>(() => ConfigurationReader.Read(path));
        Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
        Assert.Contains(sentence, error.Message, StringComparison.Ordinal);
    }
}
