using System.Diagnostics.CodeAnalysis;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Tensors;

namespace Tessera.Models;

/// <summary>
/// The one decoder: embedding, a list of layers, a norm and a head. Which family a checkpoint came from is known only to
/// the adapters that read and write it.
/// </summary>
/// <remarks>
/// The residual stream is r₀ = embedding; every present sub-block adds Apply(RMSNorm(r)). The addition is fused into the
/// norm that follows, so a layer's output exists when the next sub-block (or the final norm) asks for it.
/// Weights may be shared with another decoder (a child shares its parent's untouched layers); the arenas passed in as owned
/// are released by <see cref="Dispose"/>.
/// </remarks>
public sealed class Decoder : IDisposable
{
    private readonly List<IDisposable> _owned;
    private bool _disposed;

    /// <summary>Puts a decoder together from its parts.</summary>
    public Decoder(
        ModelConfiguration configuration, Parameter embedding, IReadOnlyList<DecoderLayer> layers, Parameter finalNorm,
        Parameter? head, RopeTable rope, IEnumerable<IDisposable> owned)
    {
        Configuration = configuration;
        Embedding = embedding;
        Layers = layers;
        FinalNorm = finalNorm;
        Head = head ?? embedding;
        Rope = rope;
        _owned = [.. owned];
    }

    /// <summary>Shapes and settings.</summary>
    public ModelConfiguration Configuration { get; }

    /// <summary>Token table, [vocabulary, hidden].</summary>
    public Parameter Embedding { get; }

    /// <summary>The layers.</summary>
    public IReadOnlyList<DecoderLayer> Layers { get; }

    /// <summary>Gain of the norm behind the last layer.</summary>
    public Parameter FinalNorm { get; }

    /// <summary>Output matrix, [vocabulary, hidden]; the embedding itself where they are tied.</summary>
    public Parameter Head { get; }

    /// <summary>Rotary angles.</summary>
    public RopeTable Rope { get; }

    /// <summary>The memory that the weights lie in.</summary>
    public DeviceMemory Memory => Embedding.Memory;

    /// <summary>Every weight once.</summary>
    public IEnumerable<Parameter> Parameters
    {
        get
        {
            yield return Embedding;
            foreach (var parameter in Layers.SelectMany(layer => layer.Parameters))
            {
                yield return parameter;
            }

            yield return FinalNorm;
            if (!ReferenceEquals(Head, Embedding))
            {
                yield return Head;
            }
        }
    }

    /// <summary>Allocates a model with uninitialised weights.</summary>
    /// <param name="configuration">Shapes.</param>
    /// <param name="type">Storage of matrices.</param>
    /// <param name="device">Owner of the memory; one that is planning gives addresses alone. Null for the processor's memory.</param>
    public static Decoder Allocate(ModelConfiguration configuration, DType type, Device? device = null) =>
        Allocate(configuration, type, device?.Memory ?? HostMemory.Instance);

    /// <summary>As the other, by the memory that takes the weights.</summary>
    [SuppressMessage("Reliability", "CA2000", Justification = "The decoder owns arena and angles and disposes of them.")]
    public static Decoder Allocate(ModelConfiguration configuration, DType type, DeviceMemory memory)
    {
        var arena = new Arena("weights", memory);
        var rope = CreateRope(configuration, memory);
        var factory = new BlockFactory(configuration, rope, arena, type);
        var embedding = factory.Table("embedding", configuration.VocabularySize, configuration.HiddenSize);
        var layers = new DecoderLayer[configuration.Layers.Length];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = new DecoderLayer(
                factory.Mixer(configuration.Layers[i].Mixer, $"layers.{i}.mixer"),
                factory.FeedForward(configuration.Layers[i].FeedForward, $"layers.{i}.ffn"));
        }

        var head = configuration.TieEmbeddings
            ? null
            : factory.Head("head", configuration.VocabularySize, configuration.HiddenSize);
        return new Decoder(configuration, embedding, layers, factory.Gain("final"), head, rope, [arena, rope]);
    }

    /// <summary>The rotary angles a configuration asks for.</summary>
    /// <param name="configuration">Head dimension, base and scaling.</param>
    /// <param name="memory">Where they lie; null for the processor's memory.</param>
    public static RopeTable CreateRope(ModelConfiguration configuration, DeviceMemory? memory = null) => new(
        configuration.HeadDim, configuration.RopeTheta, configuration.RopeScaling, Math.Min(configuration.MaxPositions, 512), memory);

    /// <summary>
    /// Runs the whole model up to the normalised hidden states that the head is applied to.
    /// </summary>
    /// <param name="executor">Runs and, with a tape, records.</param>
    /// <param name="step">The tokens.</param>
    /// <param name="cache">Keys and values of earlier positions, or null where the step holds whole sequences.</param>
    /// <param name="capture">Where to keep the residual stream at every depth, or null.</param>
    /// <returns>[tokens, hidden].</returns>
    /// <exception cref="ArgumentException">An id is outside the vocabulary.</exception>
    public Tensor Forward(Executor executor, StepBatch step, KeyValueCache? cache = null, HiddenCapture? capture = null)
    {
        Prepare(executor.Arena, step, cache);
        var output = Compute(executor, step, cache, capture);
        cache?.Advance(step);
        return output;
    }

    /// <summary>
    /// What the host does before a step: checks it, and brings to the device what the layers need to know. With
    /// <see cref="Compute"/> and <see cref="KeyValueCache.Advance(StepBatch)"/> it is a <see cref="Forward"/> whose middle can be recorded.
    /// </summary>
    /// <param name="arena">Owner of what is brought, as long as the step's ids.</param>
    /// <param name="step">The tokens.</param>
    /// <param name="cache">As in <see cref="Forward"/>.</param>
    /// <exception cref="ArgumentException">An id is outside the vocabulary.</exception>
    /// <exception cref="InvalidOperationException">The step does not continue where the cache's sequences stand.</exception>
    public void Prepare(Arena arena, StepBatch step, KeyValueCache? cache)
    {
        StepBatch.CheckIds(step.HostIds, Embedding.Rows);
        PrepareLayers(arena, step, cache);
    }

    /// <summary>The device's part of a <see cref="Forward"/>: nothing is uploaded, and nothing depends on values that the host knows.</summary>
    /// <param name="executor">Runs and, with a tape, records.</param>
    /// <param name="step">The tokens, prepared.</param>
    /// <param name="cache">As in <see cref="Forward"/>.</param>
    /// <param name="capture">As in <see cref="Forward"/>.</param>
    /// <returns>[tokens, hidden].</returns>
    public unsafe Tensor Compute(Executor executor, StepBatch step, KeyValueCache? cache = null, HiddenCapture? capture = null)
    {
        var residual = executor.Embed(step.Ids, step.Tokens, Embedding);
        return ComputeFrom(executor, step, residual, 0, cache, capture, ownsResidual: true);
    }

    /// <summary>Runs the layers from <paramref name="firstLayer"/> on and the final norm.</summary>
    /// <param name="executor">Runs and, with a tape, records.</param>
    /// <param name="step">The tokens.</param>
    /// <param name="residual">Input of that layer, [tokens, hidden].</param>
    /// <param name="firstLayer">Layer to begin with.</param>
    /// <param name="cache">As in <see cref="Forward"/>.</param>
    /// <param name="capture">As in <see cref="Forward"/>.</param>
    /// <param name="ownsResidual">Whether <paramref name="residual"/> may be overwritten.</param>
    /// <exception cref="InvalidOperationException">
    /// With a cache: a sequence's part does not begin where the cache's sequence ends, does not fit, or is not its only one.
    /// </exception>
    public Tensor Continue(
        Executor executor, StepBatch step, Tensor residual, int firstLayer, KeyValueCache? cache = null,
        HiddenCapture? capture = null, bool ownsResidual = false)
    {
        PrepareLayers(executor.Arena, step, cache);
        var output = ComputeFrom(executor, step, residual, firstLayer, cache, capture, ownsResidual);
        cache?.Advance(step);
        return output;
    }

    /// <summary>The output of one layer on given inputs.</summary>
    /// <returns>[tokens, hidden]: the residual with both branches added, in <paramref name="destination"/> where that exists.</returns>
    public Tensor LayerOutput(Executor executor, StepBatch step, Tensor residual, int layer, Tensor destination = default)
    {
        Rope.EnsurePositions(step.PositionLimit);
        return LayerOutput(executor, Configuration, Layers[layer], step, residual, destination);
    }

    /// <summary>The output of a layer that stands alone. The angles must cover the step's positions.</summary>
    /// <returns>As the other; the residual itself where the layer is empty.</returns>
    public static Tensor LayerOutput(
        Executor executor, ModelConfiguration configuration, DecoderLayer layer, StepBatch step, Tensor residual, Tensor destination = default)
    {
        var stream = new ResidualStream(executor, configuration, residual, false, false);
        RunLayer(ref stream, layer, step, 0, null, null);
        return stream.Materialise(destination);
    }

    /// <summary>
    /// A decoder with other layers that shares everything else with this one; it owns only <paramref name="owned"/>.
    /// </summary>
    public Decoder WithLayers(ModelConfiguration configuration, IReadOnlyList<DecoderLayer> layers, params IDisposable[] owned) =>
        new(configuration, Embedding, layers, FinalNorm, ReferenceEquals(Head, Embedding) ? null : Head, Rope, owned);

    /// <summary>The weights that tokens are multiplied by: all matrices but a token table that is only looked up.</summary>
    public IEnumerable<Parameter> Multipliers => Parameters.Where(
        parameter => parameter.Rows > 1 && (!ReferenceEquals(parameter, Embedding) || ReferenceEquals(Head, Embedding)));

    /// <inheritdoc />
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _owned.ForEach(item => item.Dispose());
        }
    }

    /// <summary>Refuses, before anything is written, a step that does not continue where its sequences stand.</summary>
    private static void CheckSpans(StepBatch step, KeyValueCache cache)
    {
        var slots = new HashSet<int>();
        foreach (var span in step.Spans)
        {
            if (!slots.Add(span.Slot))
            {
                throw new InvalidOperationException($"sequence {span.Slot} has two parts in one step");
            }

            if (cache.Length(span.Slot) != span.Past)
            {
                throw new InvalidOperationException(
                    $"sequence {span.Slot} holds {cache.Length(span.Slot)} positions, the step continues it at {span.Past}");
            }

            cache.EnsureRoom(span.Slot, span.Count);
        }
    }

    private void PrepareLayers(Arena arena, StepBatch step, KeyValueCache? cache)
    {
        if (cache is not null)
        {
            CheckSpans(step, cache);
            cache.Prepare(arena, step);
        }

        Rope.EnsurePositions(step.PositionLimit);
    }

    private Tensor ComputeFrom(
        Executor executor, StepBatch step, Tensor residual, int firstLayer, KeyValueCache? cache, HiddenCapture? capture,
        bool ownsResidual)
    {
        capture?.Begin(firstLayer, Layers.Count);
        int next = firstLayer;
        if (executor.Recompute == RecomputeLevel.Full)
        {
            residual = RunCheckpointed(executor, step, residual, firstLayer, capture);
            next = Layers.Count;
        }

        var stream = new ResidualStream(executor, Configuration, residual, ownsResidual, capture is not null);
        for (int i = next; i < Layers.Count; i++)
        {
            RunLayer(ref stream, Layers[i], step, i, cache, capture);
        }

        var output = stream.Normalise(FinalNorm);
        capture?.Reach(Layers.Count, stream.Residual);
        return output;
    }

    /// <summary>Runs the layers so that the tape keeps their inputs alone.</summary>
    private Tensor RunCheckpointed(Executor executor, StepBatch step, Tensor residual, int firstLayer, HiddenCapture? capture)
    {
        var layers = new RecomputedLayers(this, step);
        for (int i = firstLayer; i < Layers.Count; i++)
        {
            capture?.Reach(i, residual);
            if (Layers[i].Mixer is not null || Layers[i].FeedForward is not null)
            {
                residual = executor.Checkpoint(layers, residual, i);
            }
        }

        return residual;
    }

    private static void RunLayer(
        ref ResidualStream stream, DecoderLayer layer, StepBatch step, int index, KeyValueCache? cache, HiddenCapture? capture)
    {
        bool first = true;
        foreach (var subBlock in (ReadOnlySpan<SubBlock?>)[layer.Mixer, layer.FeedForward])
        {
            if (subBlock is null)
            {
                continue;
            }

            stream.Run(subBlock, step, cache, index, first ? capture : null);
            first = false;
        }
    }

    /// <summary>The layers of one step as parts that a tape runs again.</summary>
    private sealed class RecomputedLayers(Decoder decoder, StepBatch step) : IRecomputable
    {
        public Tensor Run(Executor executor, Tensor input, int index, Tensor destination) =>
            decoder.LayerOutput(executor, step, input, index, destination);
    }
}
