using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Tensors;

namespace Tessera.Puzzle.Costs;

/// <summary>Time of one pass through a scenario.</summary>
/// <param name="PrefillSeconds">All prompts, up to the first logits.</param>
/// <param name="DecodeSeconds">One generation step of the whole batch, mean over the output length.</param>
public readonly record struct ScenarioTime(double PrefillSeconds, double DecodeSeconds)
{
    /// <summary>The part of <see cref="DecodeSeconds"/> in which the host did not wait for the device.</summary>
    public double DecodeHostSeconds { get; init; }
}

/// <summary>
/// Runs a model through a scenario: a packed prefill of all prompts, then one step a token with the head and a greedy choice.
/// Blocks and whole models are timed by this same loop, so that prediction and realisation compare.
/// </summary>
public sealed unsafe class ScenarioMeter : IDisposable
{
    private readonly Device _source;

    [SuppressMessage("Usage", "CA2213", Justification = "It belongs to the device that was given.")]
    private readonly Device _device;
    private readonly ServingScenario _scenario;
    private readonly Arena _arena;

    /// <summary>A meter of one scenario; activations are stored as the scenario's weights are, where the device offers that.</summary>
    /// <param name="device">Where models lie and run.</param>
    /// <param name="scenario">What is run.</param>
    public ScenarioMeter(Device device, ServingScenario scenario)
    {
        _source = device;
        _scenario = scenario;
        _device = device.ForActivations(scenario.Type == DType.F32 ? DType.F32 : DType.BF16);
        _arena = _device.CreateArena("scenario");
    }

    /// <summary>What is run.</summary>
    public ServingScenario Scenario => _scenario;

    /// <summary>One pass.</summary>
    public ScenarioTime Measure(Decoder model)
    {
        // The weights may have been written on the other.
        _source.Synchronize();
        using var cache = new KeyValueCache(model.Configuration, _scenario.Batch, _scenario.Positions, _scenario.Type, _device.Memory);
        int[] next = new int[_scenario.Batch];
        var spans = new SequenceSpan[_scenario.Batch];
        int[] prompts = Prompts(model.Configuration.VocabularySize);
        long start = Stopwatch.GetTimestamp();
        for (int s = 0; s < spans.Length; s++)
        {
            spans[s] = new SequenceSpan(s * _scenario.InputLength, _scenario.InputLength, 0, s);
        }

        Step(model, cache, prompts, spans, next);
        double prefill = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double waited = _device.Memory.SecondsWaited;
        start = Stopwatch.GetTimestamp();
        for (int t = 0; t < _scenario.OutputLength; t++)
        {
            for (int s = 0; s < spans.Length; s++)
            {
                spans[s] = new SequenceSpan(s, 1, _scenario.InputLength + t, s);
            }

            Step(model, cache, next, spans, next);
        }

        double decode = Stopwatch.GetElapsedTime(start).TotalSeconds / _scenario.OutputLength;
        return new ScenarioTime(prefill, decode)
        {
            DecodeHostSeconds = decode - ((_device.Memory.SecondsWaited - waited) / _scenario.OutputLength),
        };
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    private void Step(Decoder model, KeyValueCache cache, int[] ids, SequenceSpan[] spans, int[] next)
    {
        _arena.Reset();
        var executor = new Executor(_device, _arena, null);
        var step = StepBatch.Create(_arena, ids, spans);
        var hidden = model.Forward(executor, step, cache);
        int[] last = new int[spans.Length];
        for (int s = 0; s < last.Length; s++)
        {
            last[s] = spans[s].Start + spans[s].Count - 1;
        }

        var logits = executor.Logits(executor.Gather(hidden, last), model.Head);
        var greedy = new SamplingRow[spans.Length];
        Array.Fill(greedy, new SamplingRow(0, Temperature: 0, TopP: 1, TopK: 0, Position: 0));
        nint settings = _arena.Allocate((long)greedy.Length * sizeof(SamplingRow)), tokens = _arena.Allocate((long)next.Length * sizeof(int));
        _arena.Memory.Upload<SamplingRow>(greedy, settings);
        TokenSampling.Draw(
            _device, logits.Data, logits.Columns, next.Length, logits.Columns, (SamplingRow*)settings, (int*)tokens, null);
        _arena.Memory.Download<int>(tokens, next);
    }

    private int[] Prompts(int vocabulary)
    {
        var random = new CounterRandom(0x5CE7A810, 1);
        int[] ids = new int[_scenario.Batch * _scenario.InputLength];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = random.Next(vocabulary);
        }

        return ids;
    }
}
