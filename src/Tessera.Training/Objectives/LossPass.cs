using Tessera.Devices;
using Tessera.Training.Data;

namespace Tessera.Training.Objectives;

/// <summary>Targets, weights and per-token losses of one batch in unmanaged memory.</summary>
internal readonly unsafe struct LossPass
{
    private readonly int _tokens;

    public LossPass(PackedBatch batch, Arena arena, float scale)
    {
        _tokens = batch.Ids.Length;
        Scale = scale;
        Targets = (int*)arena.Allocate((long)_tokens * sizeof(int));
        Weights = arena.Floats(_tokens);
        TokenLoss = arena.Floats(_tokens);
        batch.Targets.CopyTo(new Span<int>(Targets, _tokens));
        batch.Weights.CopyTo(new Span<float>(Weights, _tokens));
    }

    /// <summary>Factor on every gradient: 1 / weight of the step.</summary>
    public float Scale { get; }

    public int* Targets { get; }

    public float* Weights { get; }

    public float* TokenLoss { get; }

    /// <summary>Weighted mean of the token losses, summed in order in double precision.</summary>
    public double Mean()
    {
        double sum = 0, weight = 0;
        for (int i = 0; i < _tokens; i++)
        {
            if (Weights[i] != 0)
            {
                sum += (double)Weights[i] * TokenLoss[i];
                weight += Weights[i];
            }
        }

        return weight == 0 ? 0 : sum / weight;
    }
}
