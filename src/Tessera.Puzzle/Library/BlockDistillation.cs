using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;
using Tessera.Training;
using Tessera.Training.Memory;

namespace Tessera.Puzzle.Library;

/// <summary>Length and rate of a blockwise distillation.</summary>
/// <param name="Steps">Optimiser steps, one calibration batch each.</param>
/// <param name="LearningRate">Peak; a cosine leads from there to a tenth.</param>
public sealed record BlockDistillationSettings(int Steps, double LearningRate);

/// <summary>What a blockwise distillation came to.</summary>
/// <param name="Before">Loss before, as a share of predicting zero.</param>
/// <param name="After">Loss after it.</param>
/// <param name="Planned">The planned peak of its memory.</param>
/// <param name="Used">What it really took.</param>
public readonly record struct BlockDistillationResult(double Before, double After, MemoryPlan Planned, MemoryPlan Used);

/// <summary>
/// Decoupled blockwise local distillation: one half of a layer is trained, the other is the parent's and frozen; input is
/// always the parent's own hidden state, the target is the parent layer's whole output.
/// </summary>
/// <remarks>
/// Loss: MSE(o_p, o_c) / MSE(o_p, 0) (Puzzle section 2.1). No gradient crosses layers, so every (layer, variant) is a job of
/// its own; all share the parent's cached activations.
/// </remarks>
/// <param name="device">Where to compute.</param>
/// <param name="activations">The parent's states.</param>
/// <param name="settings">Length and rate.</param>
public sealed unsafe class BlockDistillation(Device device, ParentActivations activations, BlockDistillationSettings settings)
{
    private static readonly TrainingSettings Defaults = new()
    {
        Schedule = new LearningRateSchedule(ScheduleShape.Constant, 0, 0, 0, 1),
        WeightDecay = 0f,
        ClipNorm = 1.0,
    };

    /// <summary>Trains a mixer variant in front of the parent's frozen feed-forward.</summary>
    public BlockDistillationResult TrainMixer(int layer, SubBlock variant)
    {
        var feedForward = activations.Parent.Layers[layer].FeedForward;
        return Train(variant, (executor, index) =>
        {
            var batch = activations.Batches[index];
            var middle = LayerHalves.Half(executor, activations.Parent, batch, variant, batch.States[layer], layer);
            return LayerHalves.Half(executor, activations.Parent, batch, feedForward, middle, layer);
        }, layer);
    }

    /// <summary>Trains a feed-forward variant behind the parent's frozen mixer, whose output is computed once for all.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="variant">The variant.</param>
    /// <param name="middles">For every batch the parent's stream between the halves of this layer.</param>
    public BlockDistillationResult TrainFeedForward(int layer, SubBlock variant, IReadOnlyList<Tensor> middles)
    {
        return Train(
            variant,
            (executor, index) => LayerHalves.Half(
                executor, activations.Parent, activations.Batches[index], variant, middles[index], layer),
            layer);
    }

    private BlockDistillationResult Train(SubBlock variant, Func<Executor, int, Tensor> forward, int layer)
    {
        var plan = Plan(variant, forward, layer);
        MemoryLimit.Check(device, plan, Defaults with { BatchTokens = activations.Batches.Max(batch => batch.Step.Tokens), Recompute = RecomputeLevel.Full }, _ => plan);
        using var arena = device.CreateArena("activations");
        using var tape = new Tape(device);
        plan.Reserve([arena, tape.Arena]);
        var used = plan;
        double before = Evaluate(arena, forward, layer);
        using var initial = device.CreateArena("initial weights");
        var saved = variant.Parameters.Select(p => (Parameter: p, Copy: Save(initial, p))).ToList();
        using (var optimizer = new Optimizer(device, variant.Parameters))
        {
            var schedule = new LearningRateSchedule(
                ScheduleShape.Cosine, settings.LearningRate, settings.LearningRate / 10, Math.Max(1, settings.Steps / 20),
                settings.Steps);
            for (int step = 0; step < settings.Steps; step++)
            {
                optimizer.ClearGradients();
                Accumulate(device, arena, tape, forward, step % activations.Batches.Count, layer);
                optimizer.Update(Defaults, schedule.At(step));
            }

            used = plan.Used([arena, tape.Arena, initial, optimizer.Arena, device.Scratch]);
        }

        double after = Evaluate(arena, forward, layer);
        if (after < before)
        {
            return new BlockDistillationResult(before, after, plan, used);
        }

        // A mild cut can start so close to its parent that the optimiser's first steps lead away: keep the better weights.
        foreach (var (parameter, copy) in saved)
        {
            device.Copy(copy, parameter.Address, parameter.Bytes);
            parameter.MarkChanged();
        }

        return new BlockDistillationResult(before, before, plan, used);
    }

    /// <summary>The peak over the calibration batches, of which each is run once on a device that only counts.</summary>
    private MemoryPlan Plan(SubBlock variant, Func<Executor, int, Tensor> forward, int layer)
    {
        using var planning = device.ForPlanning();
        using var arena = planning.CreateArena("activations");
        using var tape = new Tape(planning);
        using var initial = planning.CreateArena("initial weights");
        foreach (var parameter in variant.Parameters)
        {
            initial.Allocate(parameter.Bytes);
        }

        using var optimizer = new Optimizer(planning, variant.Parameters);
        for (int index = 0; index < activations.Batches.Count; index++)
        {
            Accumulate(planning, arena, tape, forward, index, layer);
        }

        optimizer.GradientNorm();
        return MemoryPlan.Of(
        [
            MemoryPlan.Weights("weights", variant.Parameters, isHeld: true),
            new MemoryPart("parent activations", activations.Bytes, true),
            .. MemoryPlan.Peaks(device, [arena, tape.Arena, initial, optimizer.Arena, planning.Scratch]),
        ]);
    }

    private void Accumulate(Device where, Arena arena, Tape tape, Func<Executor, int, Tensor> forward, int index, int layer)
    {
        arena.Reset();
        tape.Reset();
        var output = forward(new Executor(where, arena, tape), index);
        HiddenLoss.NormalisedMse(
            where, output.Data, activations.Batches[index].States[layer + 1].Data, tape.GradientOf(output), output.Rows, output.Columns, 1f, null);
        tape.Backward();
    }

    private static nint Save(Arena arena, Parameter parameter)
    {
        nint copy = arena.Allocate(parameter.Bytes);
        arena.Memory.Copy(parameter.Address, copy, parameter.Bytes);
        return copy;
    }

    private double Evaluate(Arena arena, Func<Executor, int, Tensor> forward, int layer)
    {
        double sum = 0;
        for (int index = 0; index < activations.Batches.Count; index++)
        {
            arena.Reset();
            var output = forward(new Executor(device, arena, null), index);
            sum += HiddenLoss.NormalisedMse(
                device, output.Data, activations.Batches[index].States[layer + 1].Data, default, output.Rows, output.Columns, 1f);
        }

        return sum / activations.Batches.Count;
    }
}
