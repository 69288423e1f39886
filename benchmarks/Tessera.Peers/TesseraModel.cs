using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Peers;

/// <summary>The same model here: one sequence over a paged cache.</summary>
internal sealed unsafe class TesseraModel(Decoder model, int positions, int threads, DType cacheType) : IContender
{
    private readonly CpuDevice _device = new(threads);
    private readonly Arena _arena = new("peer");
    private readonly PackedWeights _packed = new(model.Multipliers);
    private KeyValueCache _cache = new(model.Configuration, 1, positions, cacheType);
    private Tensor _logits;
    private int _past;

    public ReadOnlySpan<float> Logits => new(_logits.Data.Floats, _logits.Columns);

    public void Restart()
    {
        _cache.Dispose();
        _cache = new KeyValueCache(model.Configuration, 1, positions, cacheType);
        _past = 0;
    }

    public void Feed(ReadOnlySpan<int> tokens)
    {
        _arena.Reset();
        var executor = new Executor(_device, _arena, null);
        var step = StepBatch.Create(_arena, tokens, [new SequenceSpan(0, tokens.Length, _past, 0)]);
        var hidden = model.Forward(executor, step, _cache);
        _past += tokens.Length;
        var last = executor.Allocate(1, hidden.Columns);
        new ReadOnlySpan<float>(hidden.Data.Floats + ((long)(hidden.Rows - 1) * hidden.Columns), hidden.Columns)
            .CopyTo(new Span<float>(last.Data.Floats, last.Columns));
        _logits = executor.Linear(last, model.Head);
    }

    public void Dispose()
    {
        _cache.Dispose();
        _packed.Dispose();
        _arena.Dispose();
        _device.Dispose();
    }
}
