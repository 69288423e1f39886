using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Puzzle.Calibration;
using Tessera.Tensors;
using Tessera.Training;
using Tessera.Training.Memory;

namespace Tessera.Puzzle.Library;

/// <summary>
/// Blockwise local distillation of one layer's variants: input is always the parent's own hidden state, the target is the parent
/// layer's whole output. One half is trained and the other is the parent's and frozen (decoupled), or both are trained as one (coupled).
/// </summary>
/// <remarks>
/// Loss: MSE(o_p, o_c) / MSE(o_p, 0) (Puzzle section 2.1). No gradient crosses layers, so every (layer, variant) is a job of
/// its own; all read the parent's states from the same files, a batch at a time.
/// </remarks>
/// <param name="device">Where to compute.</param>
/// <param name="states">The parent's states.</param>
/// <param name="layer">The layer.</param>
/// <param name="parent">The parent's halves that stand beside what is trained.</param>
/// <param name="settings">Length and rate.</param>
public sealed unsafe class BlockDistillation(
    Device device, ParentStates states, int layer, DecoderLayer parent, BlockDistillationSettings settings)
{
    private static readonly TrainingSettings Defaults = new()
    {
        Schedule = new LearningRateSchedule(ScheduleShape.Constant, 0, 0, 0, 1),
        WeightDecay = 0f,
        ClipNorm = 1.0,
    };

    /// <summary>Trains a mixer variant in front of the parent's frozen feed-forward.</summary>
    public BlockDistillationResult TrainMixer(SubBlock variant) => Train([.. variant.Parameters], Mixer(variant));

    /// <summary>Trains a feed-forward variant behind the parent's frozen mixer, whose output was computed once for all.</summary>
    public BlockDistillationResult TrainFeedForward(SubBlock variant) => Train([.. variant.Parameters], FeedForward(variant));

    /// <summary>Trains both halves of a block together; at least one is there.</summary>
    public BlockDistillationResult TrainBlock(DecoderLayer block) => Train([.. block.Parameters], (executor, batch) =>
    {
        var middle = Half(executor, batch, block.Mixer, states.Read(executor.Arena, layer, batch, executor.Device));
        return Half(executor, batch, block.FeedForward, middle);
    });

    /// <summary>The error of a variant as it is, with the parent's other half: what training begins with.</summary>
    public double Error(LibraryHalf half, SubBlock variant)
    {
        using var arena = device.CreateArena("activations");
        return Evaluate(arena, half.Mixer is null ? FeedForward(variant) : Mixer(variant));
    }

    private CalibrationSteps Batches => states.Steps;

    private Func<Executor, int, Tensor> Mixer(SubBlock variant) => (executor, batch) =>
    {
        var middle = Half(executor, batch, variant, states.Read(executor.Arena, layer, batch, executor.Device));
        return Half(executor, batch, parent.FeedForward, middle);
    };

    private Func<Executor, int, Tensor> FeedForward(SubBlock variant) =>
        (executor, batch) => Half(executor, batch, variant, states.ReadMiddle(executor.Arena, layer, batch, executor.Device));

    private Tensor Half(Executor executor, int batch, SubBlock? half, Tensor residual) =>
        LayerHalves.Half(executor, states.Parent.Configuration, Batches.Steps[batch], half, residual);

    private BlockDistillationResult Train(Parameter[] parameters, Func<Executor, int, Tensor> forward)
    {
        var plan = Plan(parameters, forward);
        MemoryLimit.Check(device, plan, Defaults with { BatchTokens = Batches.LargestBatch, Recompute = RecomputeLevel.Full }, _ => plan);
        using var arena = device.CreateArena("activations");
        using var tape = new Tape(device);
        plan.Reserve([arena, tape.Arena]);
        var used = plan;
        double before = EvaluateServed(parameters, arena, forward);
        using var initial = device.CreateArena("initial weights");
        var best = new KeptWeights(device, initial, parameters, before);
        int steps = 0;
        using (var optimizer = new Optimizer(device, parameters))
        {
            var schedule = new LearningRateSchedule(
                ScheduleShape.Cosine, settings.LearningRate, settings.LearningRate / 10, Math.Max(1, settings.Steps / 20),
                settings.Steps);
            int worse = 0;
            while (steps < settings.Steps && (settings.Patience == 0 || worse < settings.Patience))
            {
                optimizer.ClearGradients();
                Accumulate(device, arena, tape, forward, steps % Batches.Count);
                optimizer.Update(Defaults, schedule.At(steps));
                steps++;
                if (settings.Patience > 0 && steps % Batches.Count == 0 && steps < settings.Steps)
                {
                    worse = best.Offer(Evaluate(arena, forward)) ? 0 : worse + 1;
                }
            }

            used = plan.Used([arena, tape.Arena, initial, optimizer.Arena, device.Scratch]);
        }

        // A mild cut can start so close to its parent that the optimiser's first steps lead away: the better weights stay.
        best.Offer(EvaluateServed(parameters, arena, forward));
        best.Restore();
        return new BlockDistillationResult(before, best.Loss, steps, plan, used);
    }

    /// <summary>The peak over the calibration batches, of which each is run once on a device that only counts.</summary>
    private MemoryPlan Plan(Parameter[] parameters, Func<Executor, int, Tensor> forward)
    {
        using var planning = device.ForPlanning();
        using var arena = planning.CreateArena("activations");
        using var tape = new Tape(planning);
        using var initial = planning.CreateArena("initial weights");
        foreach (var parameter in parameters)
        {
            initial.Allocate(parameter.Bytes);
        }

        using var optimizer = new Optimizer(planning, parameters);
        for (int index = 0; index < Batches.Count; index++)
        {
            Accumulate(planning, arena, tape, forward, index);
        }

        optimizer.GradientNorm();
        return MemoryPlan.Of(
        [
            MemoryPlan.Weights("weights", parameters, isHeld: true), MemoryPlan.Weights("parent layer", parent.Parameters, isHeld: true),
            new MemoryPart("calibration tokens", Batches.Bytes, true),
            .. MemoryPlan.Peaks(device, [arena, tape.Arena, initial, optimizer.Arena, planning.Scratch]),
        ]);
    }

    private void Accumulate(Device where, Arena arena, Tape tape, Func<Executor, int, Tensor> forward, int batch)
    {
        arena.Reset();
        tape.Reset();
        var output = forward(new Executor(where, arena, tape), batch);
        var target = states.Read(arena, layer + 1, batch, where);
        HiddenLoss.NormalisedMse(
            where, output.Data, target.Data, tape.GradientOf(output), output.Rows, output.Columns, 1f, null);
        tape.Backward();
    }

    /// <summary>As <see cref="Evaluate"/>, outside of training: on a device that computes in bf16 with weights rounded to it, as training reads them.</summary>
    private double EvaluateServed(Parameter[] parameters, Arena arena, Func<Executor, int, Tensor> forward)
    {
        using var working = device.CreateArena("working copies");
        Parameter[] rounded = [.. parameters.Where(p => device.ActivationType == DType.BF16 && p.Type == DType.F32 && p.Decays)];
        try
        {
            Array.ForEach(rounded, parameter => parameter.KeepWorking(device, working));
            return Evaluate(arena, forward);
        }
        finally
        {
            Array.ForEach(rounded, parameter => parameter.DropWorking());
        }
    }

    private double Evaluate(Arena arena, Func<Executor, int, Tensor> forward)
    {
        double sum = 0;
        for (int batch = 0; batch < Batches.Count; batch++)
        {
            arena.Reset();
            var output = forward(new Executor(device, arena, null), batch);
            var target = states.Read(arena, layer + 1, batch);
            sum += HiddenLoss.NormalisedMse(device, output.Data, target.Data, default, output.Rows, output.Columns, 1f);
        }

        return sum / Batches.Count;
    }

    /// <summary>The best weights so far beside those that are being trained.</summary>
    private sealed class KeptWeights
    {
        private readonly Device _device;
        private readonly (Parameter Parameter, nint Copy)[] _copies;
        private bool _areCurrent;

        public KeptWeights(Device device, Arena arena, IEnumerable<Parameter> parameters, double loss)
        {
            (_device, Loss) = (device, loss);
            _copies = [.. parameters.Select(parameter => (parameter, arena.Allocate(parameter.Bytes)))];
            Save();
        }

        public double Loss { get; private set; }

        /// <summary>Keeps the current weights if their loss is lower.</summary>
        public bool Offer(double loss)
        {
            _areCurrent = loss < Loss;
            if (_areCurrent)
            {
                Loss = loss;
                Save();
            }

            return _areCurrent;
        }

        /// <summary>Puts the best weights back, bit for bit.</summary>
        public void Restore()
        {
            foreach (var (parameter, copy) in _areCurrent ? [] : _copies)
            {
                _device.Copy(copy, parameter.Address, parameter.Bytes);
                parameter.MarkChanged();
            }
        }

        private void Save()
        {
            foreach (var (parameter, copy) in _copies)
            {
                _device.Copy(parameter.Address, copy, parameter.Bytes);
            }
        }
    }
}
