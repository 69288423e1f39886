using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Configuration;
using Tessera.TestSupport;

namespace Tessera.Models.Tests.Configuration;

public sealed class ConfigurationReaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Members of a small Llama's object, and a part of the sentence that must be thrown.</summary>
    public static TheoryData<string, string> BadMembers() => new()
    {
        { "\"hidden_size\": \"64\"", "hidden_size is \"64\", expected an integer from 1 to 1048576" },
        { "\"hidden_size\": null", "hidden_size is null, expected an integer" },
        { "\"hidden_size\": 64.5", "hidden_size is 64.5, expected an integer" },
        { "\"hidden_size\": 2000000", "hidden_size is 2000000, expected an integer from 1 to 1048576" },
        { "\"hidden_size\": -64", "hidden_size is -64, expected an integer" },
        { "\"hidden_size\": 99999999999999999999", "hidden_size is 99999999999999999999, expected an integer" },
        { "\"num_hidden_layers\": 10001", "num_hidden_layers is 10001, expected an integer from 1 to 10000" },
        { "\"num_hidden_layers\": 0", "num_hidden_layers is 0, expected" },
        { "\"vocab_size\": 16777217", "vocab_size is 16777217, expected an integer from 1 to 16777216" },
        { "\"num_attention_heads\": 7", "num_attention_heads is 7, expected a divisor of hidden_size 64" },
        { "\"num_attention_heads\": 7, \"head_dim\": 8", "num_attention_heads is 7, expected a divisor of hidden_size 64" },
        { "\"num_key_value_heads\": 3", "num_key_value_heads is 3, expected a divisor of num_attention_heads 8" },
        { "\"num_key_value_heads\": 16", "num_key_value_heads is 16, expected an integer from 1 to 8" },
        { "\"head_dim\": 7", "head_dim is 7, expected an even number" },
        { "\"head_dim\": 0", "head_dim is 0, expected an integer from 1 to 16384" },
        { "\"intermediate_size\": null", "intermediate_size is null, expected an integer" },
        { "\"rms_norm_eps\": 0", "rms_norm_eps is 0, expected a positive finite number" },
        { "\"rms_norm_eps\": 1e999", "rms_norm_eps is 1e999, expected a positive finite number" },
        { "\"rms_norm_eps\": \"1e-5\"", "rms_norm_eps is \"1e-5\", expected a positive finite number" },
        { "\"rope_theta\": -1", "rope_theta is -1, expected a positive finite number" },
        { "\"max_position_embeddings\": 0", "max_position_embeddings is 0, expected" },
        { "\"bos_token_id\": 320", "bos_token_id is 320, expected an integer from 0 to 319" },
        { "\"eos_token_id\": [2, -1]", "eos_token_id[1] is -1, expected an integer from 0 to 319" },
        { "\"eos_token_id\": {}", "eos_token_id is {}, expected an integer" },
        { "\"tie_word_embeddings\": 1", "tie_word_embeddings is 1, expected true or false" },
        { "\"attention_bias\": 1", "attention_bias is 1, expected true or false" },
        { "\"mlp_bias\": \"yes\"", "mlp_bias is \"yes\", expected true or false" },
        { "\"quantization_config\": {\"bits\": 4}", "quantization_config is {\"bits\": 4}, expected none" },
        { "\"hidden_act\": \"gelu\"", "hidden_act is \"gelu\", expected \"silu\"" },
        { "\"hidden_act\": 3", "hidden_act is 3, expected a string" },
        { "\"hidden_act\": \"\\ud800\"", "expected valid Unicode" },
        { "\"torch_dtype\": \"int8\"", "torch_dtype is \"int8\", expected \"float32\"" },
        { "\"dtype\": \"int8\", \"torch_dtype\": \"float32\"", "dtype is \"int8\"" },
        { "\"block_configs\": []", "num_hidden_layers is 2, expected 0, the length of block_configs" },
        { "\"block_configs\": [], \"per_layer_config\": {}", "per_layer_config is {}, expected no second list of layers beside block_configs" },
        { "\"num_key_value_heads_per_layer\": [8, 8]", "num_key_value_heads_per_layer is [8, 8], expected no such list in a LlamaForCausalLM" },
        { "\"layer_types\": [\"full_attention\"]", "layer_types is [\"full_attention\"], expected one entry for each of 2 layers" },
        { "\"layer_types\": [\"full_attention\", \"chunked_attention\"]", "expected \"full_attention\" or \"sliding_attention\"" },
        { "\"layer_types\": [\"full_attention\", \"sliding_attention\"]", "expected \"full_attention\" in every layer" },
        { "\"position_embedding_type\": \"alibi\"", "position_embedding_type is \"alibi\", expected \"rope\"" },
        { "\"rope_scaling\": 3", "rope_scaling is 3, expected an object" },
        { "\"rope_scaling\": {\"rope_type\": \"longrope\"}", "rope_scaling.rope_type is \"longrope\", expected \"default\", \"linear\"" },
        { "\"rope_scaling\": {\"rope_type\": \"yarn\"}", "rope_scaling.factor is missing" },
        { "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0, \"mscale\": 1.0}", "rope_scaling.mscale is 1.0, expected none" },
        { "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0, \"beta_fast\": 0.5}", "rope_scaling.beta_fast is 0.5, expected at least beta_slow 1" },
        { "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 0.5}", "rope_scaling.factor is 0.5, expected at least 1" },
        { "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0}", "rope_scaling.low_freq_factor is missing" },
        { "\"rope_parameters\": {\"linear_attention\": {}}", "rope_parameters.linear_attention is {}, expected no object but those of" },
        {
            "\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 5.0}, \"sliding_attention\": {\"rope_theta\": 6.0}}",
            "expected the same rotation in all kinds of layers"
        },
        { "\"rope_parameters\": {\"partial_rotary_factor\": 0.5}", "rope_parameters.partial_rotary_factor is 0.5, expected 1" },
        {
            "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 0.5, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0}",
            "rope_scaling.factor is 0.5, expected at least 1"
        },
        {
            "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 4.0, \"high_freq_factor\": 4.0}",
            "rope_scaling.high_freq_factor is 4, expected more than low_freq_factor 4"
        },
    };

    [Theory]
    [MemberData(nameof(BadMembers))]
    public void A_bad_value_is_refused_with_file_field_value_and_expectation(string members, string sentence) =>
        Refused(Llama(members), sentence);

    [Theory]
    [InlineData("", "is not valid JSON")]
    [InlineData("[]", "is not a JSON object")]
    [InlineData("{\"a\": 1, \"a\": 1}", "has a key twice")]
    [InlineData("{} x", "is not valid JSON")]
    [InlineData("{}", "model_type is missing, expected \"llama\"")]
    [InlineData("{\"model_type\": \"gpt2\"}", "model_type is \"gpt2\", expected \"llama\"")]
    [InlineData("{\"architectures\": \"LlamaForCausalLM\"}", "architectures is \"LlamaForCausalLM\", expected a list of strings")]
    [InlineData("{\"architectures\": [3]}", "architectures[0] is 3, expected a string")]
    [InlineData("{\"architectures\": [\"GemmaForCausalLM\"]}", "architectures is [\"GemmaForCausalLM\"], expected [\"LlamaForCausalLM\"] or")]
    [InlineData("{\"architectures\": [\"DeciLMForCausalLM\"]}", "block_configs is missing, expected a list")]
    public void A_file_that_is_no_known_configuration_is_refused(string content, string sentence) => Refused(content, sentence);

    [Fact]
    public void Deep_nesting_bad_bytes_and_missing_files_are_refused()
    {
        Refused(Llama("\"x\": " + new string('[', 100) + new string(']', 100)), "is not valid JSON");
        string path = _folder.Write("bytes.json", [(byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)':', (byte)'1', (byte)'}']);
        var error = Assert.Throws<InvalidDataException>(() => ConfigurationReader.Read(path));
        Assert.Contains("not valid UTF-8", error.Message, StringComparison.Ordinal);
        Assert.Contains(
            "there is no such file",
            Assert.Throws<InvalidDataException>(() => ConfigurationReader.Read(_folder.File("absent.json"))).Message,
            StringComparison.Ordinal);
        string huge = _folder.File("huge.json");
        using (FileStream stream = File.Create(huge))
        {
            stream.SetLength((64L << 20) + 1);
        }

        Assert.Contains(
            "has 67108865 bytes, expected at most 67108864",
            Assert.Throws<InvalidDataException>(() => ConfigurationReader.Read(huge)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Absent_keys_take_the_defaults_of_transformers()
    {
        ModelConfiguration model = Read("""{"architectures": ["LlamaForCausalLM"]}""");
        Assert.Equal(
            (32_000, 4096, 32, 128, 2048, 1e-6, 10_000.0),
            (model.VocabularySize, model.HiddenSize, model.HeadCount, model.HeadDim, model.MaxPositions, model.RmsNormEpsilon,
                model.RopeTheta));
        Assert.Equal(32, model.Layers.Length);
        Assert.All(model.Layers, layer => Assert.Equal("kv32 ffn11008", layer.ToString()));
        Assert.Null(model.RopeScaling);
        Assert.False(model.TieEmbeddings);
        Assert.Equal(1, model.BosTokenId);
        Assert.Equal([2], model.EosTokenIds);
        Assert.Equal(DType.F32, model.StorageType);
        Assert.Equal(6_738_415_616, model.ParameterCount);
    }

    [Fact]
    public void Both_rope_spellings_read_the_same_with_the_documented_precedence()
    {
        const string Original = "\"original_max_position_embeddings\": 128";
        const string Numbers = "\"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0";
        var expected = new Llama3RopeScaling(8, 1, 4, 128);
        ModelConfiguration old = Read(Llama(
            $"\"rope_theta\": 500000.0, \"rope_scaling\": {{\"rope_type\": \"llama3\", {Numbers}, {Original}}}"));
        ModelConfiguration recent = Read(Llama(
            $"\"rope_parameters\": {{\"rope_type\": \"llama3\", \"rope_theta\": 500000, {Numbers}, {Original}}}"));
        Assert.Equal((500_000.0, expected), (old.RopeTheta, old.RopeScaling));
        Assert.Equal(old, recent);

        ModelConfiguration alias = Read(Llama($"\"rope_scaling\": {{\"type\": \"llama3\", {Numbers}}}"));
        Assert.Equal(expected with { OriginalMaxPositions = 512 }, alias.RopeScaling);
        Assert.Equal(10_000, alias.RopeTheta);
        ModelConfiguration outside = Read(Llama(
            "\"original_max_position_embeddings\": 64, "
            + $"\"rope_scaling\": {{\"rope_type\": \"llama3\", {Numbers}, {Original}}}"));
        Assert.Equal(64, (outside.RopeScaling as Llama3RopeScaling)?.OriginalMaxPositions);
        ModelConfiguration wins = Read(Llama(
            "\"rope_scaling\": {\"rope_type\": \"default\", \"rope_theta\": 7.0}, \"rope_theta\": 8.0, "
            + "\"rope_parameters\": {\"rope_type\": \"yarn\"}"));
        Assert.Equal((7.0, (RopeScaling?)null), (wins.RopeTheta, wins.RopeScaling));
        ModelConfiguration beside = Read(Llama("\"rope_scaling\": null, \"rope_theta\": 8.0, \"rope_parameters\": {}"));
        Assert.Equal(8.0, beside.RopeTheta);
    }

    [Fact]
    public void Null_tokens_are_none_and_types_and_head_sizes_are_read()
    {
        ModelConfiguration model = Read(Llama(
            "\"bos_token_id\": null, \"eos_token_id\": [5, 6], \"dtype\": \"bfloat16\", \"torch_dtype\": \"float32\", \"head_dim\": 16"));
        Assert.Null(model.BosTokenId);
        Assert.Equal([5, 6], model.EosTokenIds);
        Assert.Equal((DType.BF16, 16), (model.StorageType, model.HeadDim));
        Assert.Equal(DType.F32, Read(Llama("\"torch_dtype\": \"float16\", \"eos_token_id\": null")).StorageType);
    }

    [Theory]
    [InlineData("llama3", "kv2 ffn176|kv2 ffn176|kv2 ffn176|kv2 ffn176")]
    [InlineData("llama3_tied_headdim", "kv2 ffn176|kv2 ffn176|kv2 ffn176|kv2 ffn176")]
    [InlineData("nemotron_nas", "kv2 ffn512|none ffn256|kv1 none|linear ffn512|kv4 linear|none ffn768|none none|kv2 ffn512")]
    public void Parity_models_count_the_parameters_that_their_files_hold(string name, string layers)
    {
        using var fixture = new ParityFixture(name);
        ModelConfiguration model = ConfigurationReader.Read(Path.Combine(fixture.Folder, "config.json"));
        using var checkpoint = fixture.OpenModel();
        long stored = checkpoint.Files.SelectMany(file => file.Tensors).Sum(tensor => tensor.ElementCount);
        Assert.Equal(stored, model.ParameterCount);
        Assert.Equal(layers.Split('|'), model.Layers.Select(layer => layer.ToString()));
        Assert.Equal((500_000.0, new Llama3RopeScaling(8, 1, 4, 128)), (model.RopeTheta, model.RopeScaling));
    }

    [Theory]
    [InlineData("tinystories-656k", 656_000)]
    [InlineData("stories260K/hf", 260_000)]
    public void Published_small_models_are_as_large_as_their_names(string name, long about)
    {
        string folder = SharedData.Require("models", name);
        ModelConfiguration model = ConfigurationReader.Read(Path.Combine(folder, "config.json"));
        using var checkpoint = Models.Safetensors.SafetensorsCheckpoint.Open(folder);
        Assert.Equal(checkpoint.Files.SelectMany(file => file.Tensors).Sum(tensor => tensor.ElementCount), model.ParameterCount);
        Assert.InRange(model.ParameterCount, about - 1000, about + 1000);
    }

    public void Dispose() => _folder.Dispose();

    private static string Llama(string members)
    {
        var defaults = new Dictionary<string, string>
        {
            ["architectures"] = "[\"LlamaForCausalLM\"]",
            ["hidden_size"] = "64",
            ["intermediate_size"] = "176",
            ["vocab_size"] = "320",
            ["num_hidden_layers"] = "2",
            ["num_attention_heads"] = "8",
            ["max_position_embeddings"] = "512",
            ["rms_norm_eps"] = "1e-5",
        };
        IEnumerable<string> kept = defaults
            .Where(pair => !members.StartsWith($"\"{pair.Key}\"", StringComparison.Ordinal))
            .Select(pair => $"\"{pair.Key}\": {pair.Value}");
        return $"{{{string.Join(", ", kept)}, {members}}}";
    }

    private ModelConfiguration Read(string content) => ConfigurationReader.Read(_folder.Write("config.json", content));

    private void Refused(string content, string sentence)
    {
        string path = _folder.Write("config.json", content);
        var error = Assert.Throws<InvalidDataException>(() => ConfigurationReader.Read(path));
        Assert.StartsWith(path + ": ", error.Message, StringComparison.Ordinal);
        Assert.Contains(sentence, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }
}
