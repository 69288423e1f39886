using System.Diagnostics;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;

namespace Tessera.Inference.Measurement;

/// <summary>Times the steps of a <see cref="BatchEngine"/> in which every sequence of a batch grows by one token.</summary>
/// <remarks>
/// Scheduling, the choice of tokens (the likeliest) and their events are in the time; the prompts are not. The engine lives from one
/// measurement to the next, so that what it makes once, such as recorded steps, is made in the first.
/// </remarks>
public sealed class EngineBench : IDisposable
{
    /// <summary>Steps after the prompts that are not measured: the first of a kind may compile, record or grow.</summary>
    private const int WarmUpSteps = 3;

    // Prompts enter in steps with room for so many of their tokens at most; sequences that are in grow meanwhile.
    private const int PromptTokens = 16_384;

    private readonly Device _device;
    private readonly BatchEngine _engine;
    private readonly int[][] _prompts;
    private readonly int _steps;

    /// <summary>A bench of one scenario.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="model">The model.</param>
    /// <param name="cacheType">Storage of keys and values.</param>
    /// <param name="batch">Sequences at a time.</param>
    /// <param name="inputLength">Prompt tokens of each.</param>
    /// <param name="outputLength">Measured steps.</param>
    /// <exception cref="ArgumentException">The model has fewer positions, or a number is below 1.</exception>
    public EngineBench(Device device, Decoder model, DType cacheType, int batch, int inputLength, int outputLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputLength, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputLength, 1);
        _device = device;
        _steps = outputLength;
        int positions = checked(inputLength + PositionsBeyond(batch, inputLength, outputLength));
        if (positions > model.Configuration.MaxPositions)
        {
            throw new ArgumentException($"{positions} positions are needed, the model takes at most {model.Configuration.MaxPositions}");
        }

        _engine = new BatchEngine(device, model, new EngineSettings
        {
            CacheType = cacheType,
            MaxRunning = batch,
            StepTokens = batch + (int)Math.Min(PromptTokens, (long)batch * inputLength),
            ChunkTokens = inputLength,
            Pages = checked(batch * KeyValueCache.PagesOf(positions)),
        });
        var random = new CounterRandom(0xDEC0DE, 1);
        _prompts = new int[batch][];
        for (int s = 0; s < batch; s++)
        {
            _prompts[s] = new int[inputLength];
            for (int i = 0; i < inputLength; i++)
            {
                _prompts[s][i] = random.Next(model.Configuration.VocabularySize);
            }
        }
    }

    /// <summary>Positions that a sequence may reach behind its prompt, which the scenario needs of a model.</summary>
    public static int PositionsBeyond(int batch, int inputLength, int outputLength) =>
        outputLength + WarmUpSteps + 1 + (int)((((long)batch * inputLength) + PromptTokens - 1) / PromptTokens);

    /// <summary>Feeds the prompts and measures steps.</summary>
    public EngineTime Measure()
    {
        var settings = new GenerationSettings { MaxNewTokens = PositionsBeyond(_prompts.Length, _prompts[0].Length, _steps) };
        long[] requests = [.. _prompts.Select(prompt => _engine.Submit(prompt, settings))];
        var begun = new HashSet<long>();
        while (begun.Count < requests.Length)
        {
            Note(_engine.Step(), begun);
        }

        for (int step = 0; step < WarmUpSteps; step++)
        {
            _engine.Step();
        }

        _device.Synchronize();
        double waited = _device.Memory.SecondsWaited;
        long tokens = _engine.State.GeneratedTokens;
        long allocated = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
        for (int step = 0; step < _steps; step++)
        {
            _engine.Step();
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var time = new EngineTime(
            seconds / _steps, (seconds - (_device.Memory.SecondsWaited - waited)) / _steps,
            (_engine.State.GeneratedTokens - tokens) / seconds, (GC.GetAllocatedBytesForCurrentThread() - allocated) / _steps);
        foreach (long request in requests)
        {
            _engine.Cancel(request);
        }

        while (_engine.HasWork)
        {
            _engine.Step();
        }

        return time;
    }

    /// <inheritdoc />
    public void Dispose() => _engine.Dispose();

    private static void Note(IReadOnlyList<TokenEvent> events, HashSet<long> begun)
    {
        foreach (var chosen in events)
        {
            if (chosen.Finish is not null)
            {
                throw new InvalidOperationException($"sequence {chosen.Request} ended while prompts were entering");
            }

            begun.Add(chosen.Request);
        }
    }
}

/// <summary>Steps of an engine in which every sequence grows.</summary>
/// <param name="StepSeconds">A step.</param>
/// <param name="HostSeconds">The part of it in which the host did not wait for the device.</param>
/// <param name="TokensPerSecond">Generated tokens.</param>
/// <param name="AllocatedBytes">Managed memory that a step takes.</param>
public readonly record struct EngineTime(double StepSeconds, double HostSeconds, double TokensPerSecond, long AllocatedBytes);
