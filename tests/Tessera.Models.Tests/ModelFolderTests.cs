using System.Collections.Immutable;
using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;
using Tessera.Models.Safetensors;

namespace Tessera.Models.Tests;

public sealed class ModelFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CpuDevice _device = new(1);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_model_with_every_kind_of_block_comes_back_bit_for_bit_in_f32(bool tied)
    {
        using var model = SmallModel.Create(SmallModel.Configuration(tied: tied));
        ModelFolder.Save(_folder.FullPath, model, DType.F32);
        using var loaded = ModelFolder.Load(_folder.FullPath);
        Assert.Equal(model.Configuration.Layers.AsEnumerable(), loaded.Configuration.Layers);
        Assert.Equal(SmallModel.AllBytes(model), SmallModel.AllBytes(loaded));
        Assert.Equal(tied, ReferenceEquals(loaded.Head, loaded.Embedding));
        int[] ids = SmallModel.Ids(12, 41);
        Assert.Equal(SmallModel.Logits(_device, model, ids), SmallModel.Logits(_device, loaded, ids));
        Assert.Equal(model.Parameters.Sum(parameter => parameter.Count), model.Configuration.ParameterCount);
    }

    [Theory]
    [MemberData(nameof(FamilyModels.Names), MemberType = typeof(FamilyModels))]
    public void A_model_of_every_family_comes_back_bit_for_bit(string name)
    {
        using var model = SmallModel.Create(FamilyModels.Configurations[name]);
        ModelFolder.Save(_folder.FullPath, model, DType.F32);
        using var loaded = ModelFolder.Load(_folder.FullPath);
        Assert.Equal(model.Configuration, loaded.Configuration);
        Assert.Equal(SmallModel.AllBytes(model), SmallModel.AllBytes(loaded));
        Assert.Equal(model.Parameters.Sum(parameter => parameter.Count), model.Configuration.ParameterCount);
    }

    [Fact]
    public void Bf16_on_disk_rounds_once_and_then_comes_back_bit_for_bit()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        ModelFolder.Save(_folder.File("first"), model, DType.BF16);
        using var rounded = ModelFolder.Load(_folder.File("first"));
        Assert.Equal(DType.BF16, rounded.Embedding.Type);
        Assert.Equal(DType.F32, rounded.FinalNorm.Type);
        foreach (var (original, stored) in model.Parameters.Zip(rounded.Parameters))
        {
            Assert.Equal(Values(original).Select(value => Bf16.Widen(Bf16.Round(value))), Values(stored));
        }

        ModelFolder.Save(_folder.File("second"), rounded, DType.BF16);
        Assert.Equal(File.ReadAllBytes(_folder.File("first/model.safetensors")), File.ReadAllBytes(_folder.File("second/model.safetensors")));
        using var widened = ModelFolder.Load(_folder.File("second"), DType.F32);
        using var converted = ModelFolder.Convert(rounded, DType.F32);
        Assert.Equal(SmallModel.AllBytes(widened), SmallModel.AllBytes(converted));
    }

    [Fact]
    public void Shards_hold_the_same_model_as_one_file()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        ModelFolder.Save(_folder.FullPath, model, DType.F32);
        var tensors = WeightMap.Slices(model)
            .Select(slice => new TensorToWrite(
                slice.Name, DType.F32, slice.Shape, slice.Parameter.RowsView(slice.RowStart, slice.Rows).Address))
            .ToList();
        SafetensorsWriter.WriteSharded(_folder.FullPath, tensors, null, 4096);
        Assert.True(Directory.GetFiles(_folder.FullPath, "model-*.safetensors").Length > 2);
        Assert.False(File.Exists(_folder.File("model.safetensors")));
        using var loaded = ModelFolder.Load(_folder.FullPath);
        Assert.Equal(SmallModel.AllBytes(model), SmallModel.AllBytes(loaded));
    }

    [Fact]
    public void A_tied_checkpoint_may_hold_its_table_under_the_name_of_the_head_alone()
    {
        using var model = SmallModel.Create(SmallModel.Configuration(tied: true));
        WriteChanged(model, tensor => tensor.Name == WeightMap.Embedding ? tensor with { Name = WeightMap.Head } : tensor);
        using var loaded = ModelFolder.Load(_folder.FullPath);
        Assert.Equal(SmallModel.AllBytes(model), SmallModel.AllBytes(loaded));
    }

    [Theory]
    [InlineData("model.layers.0.self_attn.k_proj.weight")]
    [InlineData("model.norm.weight")]
    [InlineData("lm_head.weight")]
    public void A_missing_tensor_is_named(string name)
    {
        using var model = SmallModel.Create(SmallModel.Configuration());

        // A tensor of the same size elsewhere keeps the count of elements plausible.
        WriteChanged(model, tensor => tensor.Name == name ? tensor with { Name = "model.layers.0.self_attn.rotary_emb.inv_freq" } : tensor);
        AssertRefused($"'{name}'");
    }

    [Fact]
    public void A_tensor_of_another_shape_is_named_with_both_shapes()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        WriteChanged(model, tensor => tensor.Name.EndsWith("layers.0.mlp.down_proj.weight", StringComparison.Ordinal)
            ? tensor with { Shape = [24, 16] }
            : tensor);
        AssertRefused("'model.layers.0.mlp.down_proj.weight'", "[24, 16]", "[16, 24]");
    }

    [Theory]
    [InlineData("model.layers.1.input_layernorm.weight")]
    [InlineData("model.layers.0.self_attn.q_norm.weight")]
    [InlineData("model.layers.0.self_attn.q_proj.bias")]
    public void A_weight_without_a_place_in_the_model_is_refused(string name)
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        WriteChanged(model, tensor => tensor, new TensorToWrite(name, DType.F32, [16], model.FinalNorm.Address));
        AssertRefused($"'{name}'");
    }

    [Fact]
    public void Stored_rotary_tables_are_passed_over()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        WriteChanged(
            model, tensor => tensor,
            new TensorToWrite("model.layers.0.self_attn.rotary_emb.inv_freq", DType.F32, [2], model.FinalNorm.Address));
        using var loaded = ModelFolder.Load(_folder.FullPath);
        Assert.Equal(SmallModel.AllBytes(model), SmallModel.AllBytes(loaded));
    }

    [Fact]
    public void A_configuration_far_larger_than_its_file_is_refused_before_memory_is_taken()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        ModelFolder.Save(_folder.FullPath, model, DType.F32);
        ConfigurationWriter.Write(
            model.Configuration with { VocabularySize = 1 << 24, HiddenSize = 1 << 16, HeadDim = 128 }, _folder.File("config.json"));
        long bytes = Arena.LiveBytes;
        AssertRefused("config.json describes", "the weights hold");
        Assert.Equal(bytes, Arena.LiveBytes);
    }

    [Fact]
    public void A_folder_without_a_configuration_or_weights_is_refused()
    {
        AssertRefused("config.json");
        using var model = SmallModel.Create(SmallModel.Configuration());
        ModelFolder.Save(_folder.FullPath, model, DType.F32);
        File.Delete(_folder.File("model.safetensors"));
        AssertRefused("model.safetensors");
    }

    [Fact]
    public void Loading_and_refusing_leave_no_arena_behind()
    {
        int arenas = Arena.LiveArenas;
        using (var model = SmallModel.Create(SmallModel.Configuration()))
        {
            ModelFolder.Save(_folder.FullPath, model, DType.BF16);
            ModelFolder.Load(_folder.FullPath).Dispose();
            WriteChanged(model, tensor => tensor.Name == "model.norm.weight" ? tensor with { Name = "model.normal.weight" } : tensor);
            AssertRefused("model.norm");
        }

        Assert.Equal(arenas, Arena.LiveArenas);
    }

    [Fact]
    public void A_padded_llama_computes_the_same_function_in_every_layer_shape()
    {
        using var model = SmallModel.Create(SmallModel.Configuration(SmallModel.Paddable));
        using var padded = PaddedLlama.Build(model, DType.F32);
        int[] ids = SmallModel.Ids(20, 41);
        float difference = SmallModel.LargestDifference(
            SmallModel.Logits(_device, model, ids, 13, 7), SmallModel.Logits(_device, padded, ids, 13, 7));
        Assert.True(difference <= 1e-5f, $"logits differ by {difference:E2}");

        ModelFolder.Save(_folder.FullPath, padded, DType.F32);
        Assert.Contains("LlamaForCausalLM", File.ReadAllText(_folder.File("config.json")), StringComparison.Ordinal);
        using var loaded = ModelFolder.Load(_folder.FullPath);
        Assert.All(loaded.Configuration.Layers, layer => Assert.Equal("kv4 ffn24", $"{layer.Mixer} {layer.FeedForward}"));
        Assert.Equal(SmallModel.AllBytes(padded), SmallModel.AllBytes(loaded));
    }

    [Fact]
    public void A_padded_llama_of_a_tied_bf16_model_without_attention_is_equal_too()
    {
        ImmutableArray<LayerConfiguration> layers =
            [new(SmallModel.NoMixer, new SwiGluConfiguration(5)), new(SmallModel.NoMixer, SmallModel.NoFeedForward)];
        using var model = SmallModel.Create(SmallModel.Configuration(layers, tied: true), type: DType.BF16);
        using var padded = PaddedLlama.Build(model, DType.BF16);
        int[] ids = SmallModel.Ids(9, 41);
        float difference = SmallModel.LargestDifference(SmallModel.Logits(_device, model, ids), SmallModel.Logits(_device, padded, ids));
        Assert.True(difference <= 1e-5f, $"logits differ by {difference:E2}");
        Assert.Same(padded.Embedding, padded.Head);
    }

    [Fact]
    public void A_padded_llama_has_biases_of_zeros_where_a_layer_had_none()
    {
        ImmutableArray<LayerConfiguration> layers =
        [
            new(new AttentionConfiguration(2) { HasQkvBias = true }, new SwiGluConfiguration(5) { HasBias = true }),
            new(SmallModel.NoMixer, new SwiGluConfiguration(9)),
            new(new AttentionConfiguration(4) { HasQkvBias = true, HasOutputBias = true }, SmallModel.NoFeedForward),
        ];
        using var model = SmallModel.Create(SmallModel.Configuration(layers));
        using var padded = PaddedLlama.Build(model, DType.F32);
        int[] ids = SmallModel.Ids(20, 41);
        float difference = SmallModel.LargestDifference(SmallModel.Logits(_device, model, ids), SmallModel.Logits(_device, padded, ids));
        Assert.True(difference <= 1e-5f, $"logits differ by {difference:E2}");
        ModelFolder.Save(_folder.FullPath, padded, DType.F32);
        using var loaded = ModelFolder.Load(_folder.FullPath);
        Assert.All(loaded.Configuration.Layers, layer => Assert.Equal("kv4-bias ffn9-bias", layer.ToString()));
    }

    [Theory]
    [InlineData("qwen3", "layer 0 has norms of its query and key heads")]
    [InlineData("mistral", "layer 0 has a sliding window of 16 tokens")]
    [InlineData("decilm", "layer 2 has a linear map in place of its attention")]
    public void A_padded_llama_refuses_by_name_what_it_cannot_hold(string name, string sentence)
    {
        using var model = SmallModel.Create(FamilyModels.Configurations[name]);
        var error = Assert.Throws<NotSupportedException>(() => PaddedLlama.Build(model, DType.F32));
        Assert.StartsWith(sentence, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_padded_llama_refuses_linear_maps_by_layer_number()
    {
        using var mixer = SmallModel.Create(SmallModel.Configuration());
        var error = Assert.Throws<NotSupportedException>(() => PaddedLlama.Build(mixer, DType.F32));
        Assert.Contains("layer 2 ", error.Message, StringComparison.Ordinal);
        Assert.Contains("attention", error.Message, StringComparison.Ordinal);
        ImmutableArray<LayerConfiguration> layers =
            [new(SmallModel.NoMixer, SmallModel.NoFeedForward), new(SmallModel.NoMixer, new LinearFeedForwardConfiguration())];
        using var feedForward = SmallModel.Create(SmallModel.Configuration(layers));
        error = Assert.Throws<NotSupportedException>(() => PaddedLlama.Build(feedForward, DType.F32));
        Assert.Contains("layer 1 ", error.Message, StringComparison.Ordinal);
        Assert.Contains("feed-forward", error.Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _device.Dispose();
        _folder.Dispose();
    }

    private static unsafe float[] Values(Tensors.Parameter parameter)
    {
        var values = new float[parameter.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = parameter.Type == DType.F32 ? ((float*)parameter.Address)[i] : Bf16.Widen(((ushort*)parameter.Address)[i]);
        }

        return values;
    }

    private void WriteChanged(Decoder model, Func<TensorToWrite, TensorToWrite> change, params TensorToWrite[] more)
    {
        ModelFolder.Save(_folder.FullPath, model, DType.F32);
        var tensors = WeightMap.Slices(model)
            .Select(slice => change(new TensorToWrite(
                slice.Name, DType.F32, slice.Shape, slice.Parameter.RowsView(slice.RowStart, slice.Rows).Address)))
            .Concat(more).ToList();
        SafetensorsWriter.Write(_folder.File("model.safetensors"), tensors);
    }

    private void AssertRefused(params string[] parts)
    {
        var error = Assert.Throws<InvalidDataException>(() => ModelFolder.Load(_folder.FullPath));
        Assert.All(parts, part => Assert.Contains(part, error.Message, StringComparison.Ordinal));
        Assert.DoesNotContain('\n', error.Message);
    }
}
