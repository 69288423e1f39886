using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Tessera.Devices;
using Tessera.Inference;
using Tessera.Inference.Engine;
using Tessera.Models;
using Tessera.Models.Blocks;

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
public sealed class ScenarioMeter : IDisposable
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

    /// <summary>
    /// Most generation steps that are timed, those in the middle of the output; null for all. A step takes longer by as much for each
    /// token before it, so that the mean of the middle is that of the whole.
    /// </summary>
    public int? DecodeSteps { get; init; }

    /// <summary>One pass.</summary>
    public ScenarioTime Measure(Decoder model)
    {
        // The weights may have been written on the other.
        _source.Synchronize();
        using var cache = new KeyValueCache(model.Configuration, _scenario.Batch, _scenario.Positions, _scenario.Type, _device.Memory);
        using var runner = new StepRunner(_device, _arena, model, cache, new EngineSettings()) { TellsLogProbs = false };
        int[] prompts = Prompts(model.Configuration.VocabularySize), next = new int[_scenario.Batch];
        long start = Stopwatch.GetTimestamp();
        Step(runner, 0, prompts, _scenario.InputLength, next);
        double prefill = Stopwatch.GetElapsedTime(start).TotalSeconds;
        int steps = Math.Min(_scenario.OutputLength, Math.Max(1, DecodeSteps ?? int.MaxValue));
        int first = _scenario.InputLength + ((_scenario.OutputLength - steps) / 2);
        Record(runner, model, cache, first, first + steps);
        double waited = _device.Memory.SecondsWaited;
        start = Stopwatch.GetTimestamp();
        for (int t = 0; t < steps; t++)
        {
            Step(runner, first + t, next, 1, next);
            if (first > _scenario.InputLength)
            {
                // Nobody's keys lie in front, so what was drawn means nothing and need not be a token.
                Array.Clear(next);
            }
        }

        double decode = Stopwatch.GetElapsedTime(start).TotalSeconds / steps;
        return new ScenarioTime(prefill, decode)
        {
            DecodeHostSeconds = decode - ((_device.Memory.SecondsWaited - waited) / steps),
        };
    }

    /// <inheritdoc />
    public void Dispose() => _arena.Dispose();

    /// <summary>Feeds every sequence's next tokens and takes the likeliest ones behind them.</summary>
    private void Step(StepRunner runner, int past, int[] ids, int count, int[] next)
    {
        runner.Begin();
        for (int s = 0; s < _scenario.Batch; s++)
        {
            runner.Add(s, past, ids.AsSpan(s * count, count));
            runner.Draw(default);
        }

        runner.Run();
        runner.Tokens.CopyTo(next);
    }

    /// <summary>
    /// Has the device record the steps to come, where it does that: a server did so long before. Each kind of step runs as it is and
    /// is recorded, on positions whose keys are nobody's yet. Behind it every sequence holds <paramref name="first"/> positions.
    /// </summary>
    private void Record(StepRunner runner, Decoder model, KeyValueCache cache, int first, int end)
    {
        int[] next = new int[_scenario.Batch];
        model.Rope.EnsurePositions(_scenario.Positions);
        for (int past = first; _device.RecordsWork && past < end; past = StepExtent.Covering(_scenario.Batch, past + 1).Positions)
        {
            for (int round = 0; round < 2; round++)
            {
                for (int s = 0; s < _scenario.Batch; s++)
                {
                    cache.Truncate(s, Math.Min(past, cache.Length(s)));
                    cache.Advance(s, past - cache.Length(s));
                }

                Array.Clear(next);
                Step(runner, past, next, 1, next);
            }
        }

        for (int s = 0; s < _scenario.Batch; s++)
        {
            cache.Truncate(s, Math.Min(first, cache.Length(s)));
            cache.Advance(s, first - cache.Length(s));
        }
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
