using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Models.Blocks;

/// <summary>Makes sub-blocks with uninitialised weights from their configuration.</summary>
/// <param name="model">Widths shared by all layers.</param>
/// <param name="rope">The model's rotary angles.</param>
/// <param name="arena">Owner of the weights.</param>
/// <param name="type">Storage of matrices; gains and biases are always f32.</param>
public sealed class BlockFactory(ModelConfiguration model, RopeTable rope, Arena arena, DType type)
{
    /// <summary>The model's rotary angles.</summary>
    public RopeTable Rope => rope;

    /// <summary>A mixer, or null for none.</summary>
    public SubBlock? Mixer(MixerConfiguration configuration, string name) => configuration switch
    {
        NoMixerConfiguration => null,
        LinearMixerConfiguration => new LinearBlock(Gain(name), Matrix(name + ".linear", model.HiddenSize, model.HiddenSize), true),
        AttentionConfiguration attention => Attention(attention, name),
        _ => throw new NotSupportedException($"{name}: mixer {configuration} is not known to this build"),
    };

    /// <summary>A feed-forward, or null for none.</summary>
    public SubBlock? FeedForward(FeedForwardConfiguration configuration, string name) => configuration switch
    {
        NoFeedForwardConfiguration => null,
        LinearFeedForwardConfiguration =>
            new LinearBlock(Gain(name), Matrix(name + ".linear", model.HiddenSize, model.HiddenSize), false),
        SwiGluConfiguration swiGlu => new SwiGluBlock(
            Gain(name),
            Matrix(name + ".gate_up", 2 * swiGlu.Width, model.HiddenSize),
            Matrix(name + ".down", model.HiddenSize, swiGlu.Width))
        {
            GateUpBias = swiGlu.HasBias ? Bias(name + ".gate_up", 2 * swiGlu.Width) : null,
            DownBias = swiGlu.HasBias ? Bias(name + ".down", model.HiddenSize) : null,
        },
        _ => throw new NotSupportedException($"{name}: feed-forward {configuration} is not known to this build"),
    };

    /// <summary>A gain [1, hidden], f32.</summary>
    public Parameter Gain(string name) => new(name + ".norm", 1, model.HiddenSize, DType.F32, arena);

    /// <summary>A bias [outputs, 1], f32.</summary>
    public Parameter Bias(string name, int outputs) => new(name + ".bias", outputs, 1, DType.F32, arena);

    /// <summary>
    /// The token table, and with it a tied head: in the factory's storage type, but int8 where that is int4 and bf16 where it is fp8.
    /// </summary>
    /// <remarks>
    /// Every token reads a row of the table, and the head decides between tokens whose logits are close: four bits cost more there
    /// than the layers' matrices, which are most of the bytes, gain. A step reads one row of a table for each token, however it is
    /// stored: fp8 would gain nothing.
    /// </remarks>
    public Parameter Table(string name, int rows, int columns) => new(name, rows, columns, type == DType.FP8 ? DType.BF16 : HeadType, arena);

    /// <summary>A head of its own: in the factory's storage type, but int8 where that is int4. A step reads all of it.</summary>
    public Parameter Head(string name, int rows, int columns) => new(name, rows, columns, HeadType, arena);

    /// <summary>A matrix in the factory's storage type.</summary>
    public Parameter Matrix(string name, int rows, int columns) => new(name, rows, columns, type, arena);

    private DType HeadType => type == DType.Int4 ? DType.Int8 : type;

    private AttentionBlock Attention(AttentionConfiguration attention, string name)
    {
        int heads = attention.Heads(model), packed = (heads + (2 * attention.KvHeadCount)) * model.HeadDim;
        var shape = new AttentionShape(heads, attention.KvHeadCount, model.HeadDim) { Window = attention.Window ?? 0 };
        return new AttentionBlock(
            Gain(name), Matrix(name + ".qkv", packed, model.HiddenSize),
            Matrix(name + ".output", model.HiddenSize, heads * model.HeadDim), shape, rope)
        {
            Qkv = attention.HasQkvBias || attention.HasHeadNorms
                ? new QkvParameters(
                    attention.HasQkvBias ? Bias(name + ".qkv", packed) : null,
                    attention.HasHeadNorms ? HeadGain(name + ".query") : null,
                    attention.HasHeadNorms ? HeadGain(name + ".key") : null,
                    (float)model.RmsNormEpsilon)
                : null,
            OutputBias = attention.HasOutputBias ? Bias(name + ".output", model.HiddenSize) : null,
        };
    }

    private Parameter HeadGain(string name) => new(name + ".norm", 1, model.HeadDim, DType.F32, arena);
}
