using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Alignment.Policy;

/// <summary>Sums over the response tokens of micro-batches that count in the loss.</summary>
/// <param name="Loss">Σ weight·loss, in the loss's own unit.</param>
/// <param name="Tokens">Number of tokens.</param>
/// <param name="Entropy">Σ entropy, nats.</param>
/// <param name="Kl">Σ k3, nats.</param>
/// <param name="ClippedLow">Tokens held by the lower clip.</param>
/// <param name="ClippedHigh">Tokens held by the upper clip.</param>
/// <param name="ClippedDual">Tokens held by the dual clip.</param>
/// <param name="Ratio">Σ π/π_old.</param>
public readonly record struct PolicySums(
    double Loss, long Tokens, double Entropy, double Kl, long ClippedLow, long ClippedHigh, long ClippedDual, double Ratio)
{
    /// <summary>Sums of two sets of tokens.</summary>
    public static PolicySums operator +(PolicySums left, PolicySums right) => new(
        left.Loss + right.Loss, left.Tokens + right.Tokens, left.Entropy + right.Entropy, left.Kl + right.Kl,
        left.ClippedLow + right.ClippedLow, left.ClippedHigh + right.ClippedHigh, left.ClippedDual + right.ClippedDual,
        left.Ratio + right.Ratio);

    /// <summary>Sums of two sets of tokens.</summary>
    public static PolicySums Add(PolicySums left, PolicySums right) => left + right;

    /// <summary>A sum as a mean over the tokens.</summary>
    public double Mean(double sum) => Tokens == 0 ? 0 : sum / Tokens;
}

/// <summary>Log-probabilities of micro-batches, and the clipped policy loss with the gradients of all trained parameters.</summary>
/// <remarks>
/// Both run the same forward over the same packed rows, so that a policy that was not updated in between has a ratio of exactly 1.
/// Gradients are divided by <c>normaliser</c>, which belongs to the whole update and not to the micro-batch.
/// </remarks>
/// <param name="device">Where to compute.</param>
/// <param name="recompute">What is computed again for the backward instead of being kept.</param>
public sealed unsafe class PolicyObjective(Device device, RecomputeLevel recompute = RecomputeLevel.None) : IDisposable
{
    private readonly Arena _activations = device.CreateArena("activations");
    private readonly Arena _losses = device.CreateArena("losses");
    private readonly Tape _tape = new(device, recompute);

    /// <summary>Where it keeps what a micro-batch needs.</summary>
    public IEnumerable<Arena> Arenas => [_activations, _tape.Arena, _losses];

    /// <summary>A model's log-probabilities of a batch's response tokens, by row; 0 within prompts.</summary>
    /// <param name="model">The policy, or a reference with the same vocabulary.</param>
    /// <param name="batch">The micro-batch.</param>
    /// <param name="logProbs">[rows], assigned.</param>
    public void LogProbs(Decoder model, PolicyBatch batch, Span<float> logProbs)
    {
        _activations.Reset();
        _losses.Reset();
        LinearCrossEntropy.CheckTargets(batch.Targets, batch.IsResponse, model.Head.Rows);
        var hidden = model.Forward(
            new Executor(device, _activations, null), StepBatch.Packed(_activations, batch.Ids, batch.Lengths));
        float* output = _losses.Floats(hidden.Rows);
        LinearLogProb.Run(
            device, hidden.Data, model.Head.View, Uploaded<int>(batch.Targets), Uploaded<float>(batch.IsResponse), 1f, output, null,
            hidden.Rows, hidden.Columns, model.Head.Rows);
        device.Download((nint)output, logProbs[..hidden.Rows]);
    }

    /// <summary>
    /// Sums over a micro-batch; adds the gradient of the weighted sum of losses, divided by <paramref name="normaliser"/>, to
    /// the policy's trainable parameters.
    /// </summary>
    public PolicySums Accumulate(Decoder policy, PolicyBatch batch, PolicySettings settings, double normaliser)
    {
        _activations.Reset();
        _losses.Reset();
        _tape.Reset();
        LinearCrossEntropy.CheckTargets(batch.Targets, batch.Weights, policy.Head.Rows);
        var hidden = policy.Forward(
            new Executor(device, _activations, _tape), StepBatch.Packed(_activations, batch.Ids, batch.Lengths));
        int rows = hidden.Rows;
        var results = new PolicyResults
        {
            Loss = _losses.Floats(rows),
            LogProb = _losses.Floats(rows),
            Entropy = _losses.Floats(rows),
            Kl = _losses.Floats(rows),
            Clip = (PolicyClip*)_losses.Allocate(rows * sizeof(PolicyClip)),
        };
        var tokens = new PolicyTokens
        {
            Targets = Uploaded<int>(batch.Targets),
            Weights = Uploaded<float>(batch.Weights),
            Advantages = Uploaded<float>(batch.Advantages),
            OldLogProb = Uploaded<float>(batch.OldLogProbs),
            ReferenceLogProb = Uploaded<float>(batch.ReferenceLogProbs),
            Correction = Uploaded<float>(batch.Corrections),
        };
        var head = policy.Head;
        LinearPolicy.Run(
            device, hidden.Data, head.View, tokens, settings, results, hidden.Node >= 0 ? _tape.GradientOf(hidden) : default,
            head.Gradient, rows, hidden.Columns, head.Rows, (float)(1 / normaliser));
        _tape.Backward();
        return Sum(batch, results);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _tape.Dispose();
        _losses.Dispose();
        _activations.Dispose();
    }

    /// <summary>An array in the device's memory; null for one that is empty or not there.</summary>
    private T* Uploaded<T>(T[]? values)
        where T : unmanaged
    {
        if (values is null or [])
        {
            return null;
        }

        nint room = _losses.Allocate((long)values.Length * sizeof(T));
        device.Upload<T>(values, room);
        return (T*)room;
    }

    private T[] Downloaded<T>(T* values, int count)
        where T : unmanaged
    {
        var result = new T[count];
        device.Download((nint)values, result.AsSpan());
        return result;
    }

    private PolicySums Sum(PolicyBatch batch, in PolicyResults results)
    {
        int rows = batch.Ids.Length;
        float[] losses = Downloaded(results.Loss, rows), logProbs = Downloaded(results.LogProb, rows);
        float[] entropies = Downloaded(results.Entropy, rows), divergences = Downloaded(results.Kl, rows);
        var clips = Downloaded(results.Clip, rows);
        var sums = default(PolicySums);
        for (int t = 0; t < rows; t++)
        {
            if (batch.Weights[t] == 0)
            {
                continue;
            }

            var clip = clips[t];
            sums += new PolicySums(
                (double)batch.Weights[t] * losses[t], 1, entropies[t], divergences[t], clip == PolicyClip.Low ? 1 : 0,
                clip == PolicyClip.High ? 1 : 0, clip == PolicyClip.Dual ? 1 : 0,
                Math.Exp((double)logProbs[t] - batch.OldLogProbs[t]));
        }

        return sums;
    }
}
