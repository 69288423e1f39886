using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Tensors;

namespace Tessera.Training;

/// <summary>AdamW over a set of parameters, with their gradients and moments.</summary>
public sealed unsafe class Optimizer : IDisposable
{
    private const int BuffersPerParameter = 3;

    private readonly Device _device;
    private readonly Arena _arena;
    private readonly List<Slot> _slots = [];
    private readonly AdamWTensor[] _tensors;
    private readonly OptimizerTable _table;
    private readonly double[] _sums;

    /// <summary>
    /// Makes parameters trainable: gives each a gradient and two moments, all zero. They are f32 beside an f32 master; beside a
    /// master in bf16, which is trained where memory is short, they are bf16 as well: 8 bytes a weight in all.
    /// </summary>
    /// <param name="device">Where to compute; one that computes in bf16 also gets a working copy of every f32 matrix.</param>
    /// <param name="parameters">What is trained.</param>
    /// <exception cref="InvalidOperationException">A master is of a type that the device does not train.</exception>
    public Optimizer(Device device, IEnumerable<Parameter> parameters)
    {
        _device = device;
        _arena = device.CreateArena("gradients and moments");
        var trained = parameters.ToList();
        _arena.Reserve(trained.Sum(StateBytes) + OptimizerTable.Bytes(device, trained.Count));
        foreach (var parameter in trained)
        {
            var type = StateType(parameter);
            parameter.Train(_arena, type, device.TrainsBf16Masters);
            _slots.Add(new Slot(parameter, Moment(parameter, type), Moment(parameter, type)));
            if (KeepsWorking(parameter))
            {
                parameter.KeepWorking(device, _arena);
            }
        }

        _tensors = new AdamWTensor[trained.Count];
        _table = new OptimizerTable(device, _arena, trained.Count);
        _sums = new double[trained.Count];
    }

    /// <summary>Where gradients and moments lie.</summary>
    public Arena Arena => _arena;

    /// <summary>Updates done.</summary>
    public int Steps { get; set; }

    /// <summary>The trained parameters with their moments, in order.</summary>
    public IEnumerable<(Parameter Parameter, Elements FirstMoment, Elements SecondMoment)> State =>
        _slots.Select(slot => (slot.Parameter, slot.First, slot.Second));

    /// <summary>Makes working copies anew where masters were written past the optimiser.</summary>
    public void RefreshWorking() => _slots.ForEach(slot => slot.Parameter.RefreshWorking(_device));

    /// <summary>Sets all gradients to zero.</summary>
    public void ClearGradients() => _slots.ForEach(slot => slot.Parameter.ClearGradient());

    /// <summary>The global norm of all gradients.</summary>
    public double GradientNorm()
    {
        DescribeTensors();
        var mark = _device.Scratch.Mark();
        nint sums = _device.Scratch.Allocate((long)_sums.Length * sizeof(double));
        Kernels.GradientNorm.SumsOfSquares(_device, _table, (double*)sums);
        _device.Download<double>(sums, _sums);
        _device.Scratch.Release(mark);
        double squares = 0;
        foreach (double sum in _sums)
        {
            squares += sum;
        }

        return Math.Sqrt(squares);
    }

    /// <summary>Scales the gradient to the norm limit if it is above it, and updates every parameter.</summary>
    /// <returns>The gradient's global norm before clipping.</returns>
    /// <exception cref="InvalidDataException">The norm is not a number: training has diverged; nothing was updated.</exception>
    public double Update(TrainingSettings settings, double learningRate) => Update(settings, learningRate, GradientNorm());

    /// <summary>As <see cref="Update(TrainingSettings, double)"/>, with a norm that is known already.</summary>
    /// <returns>The same norm.</returns>
    /// <exception cref="InvalidDataException">The norm is not a number: training has diverged; nothing was updated.</exception>
    public double Update(TrainingSettings settings, double learningRate, double norm)
    {
        if (!double.IsFinite(norm))
        {
            throw new InvalidDataException($"the gradient's norm is {norm} at step {Steps + 1}: lower the learning rate or check the data");
        }

        Steps++;
        var adam = new AdamWSettings
        {
            LearningRate = (float)learningRate,
            Beta1 = settings.Beta1,
            Beta2 = settings.Beta2,
            Epsilon = settings.Epsilon,
            Step = Steps,
            WeightDecay = settings.WeightDecay,
            GradientScale = settings.ClipNorm > 0 && norm > settings.ClipNorm ? (float)(settings.ClipNorm / norm) : 1f,
        };
        DescribeTensors();
        _table.Set(adam);
        AdamW.Step(_device, _table);
        _slots.ForEach(slot => slot.Parameter.MarkUpdated());
        return norm;
    }

    /// <summary>Freezes the parameters and releases gradients and moments.</summary>
    public void Dispose()
    {
        foreach (var slot in _slots)
        {
            slot.Parameter.Freeze();
            slot.Parameter.DropWorking();
        }

        _arena.Dispose();
    }

    /// <summary>Has gradients that nobody wrote be zero, and tells the table where everything lies.</summary>
    private void DescribeTensors()
    {
        for (int i = 0; i < _tensors.Length; i++)
        {
            var parameter = _slots[i].Parameter;
            _tensors[i] = new AdamWTensor
            {
                Parameter = parameter.Elements,
                Gradient = parameter.Gradient,
                FirstMoment = _slots[i].First,
                SecondMoment = _slots[i].Second,
                Working = parameter.Working,
                Count = parameter.Count,
                Decays = parameter.Decays,
            };
        }

        _table.Describe(_tensors);
    }

    private static DType StateType(Parameter parameter) => parameter.Type == DType.BF16 ? DType.BF16 : DType.F32;

    /// <summary>Gains and biases are read by row kernels as they are; a product reads a matrix many times.</summary>
    private bool KeepsWorking(Parameter parameter) =>
        _device.ActivationType == DType.BF16 && parameter.Type == DType.F32 && parameter.Decays;

    private long StateBytes(Parameter parameter)
    {
        long state = BuffersPerParameter * Arena.PaddedBytes(parameter.Count * StateType(parameter).Bytes());
        return KeepsWorking(parameter) ? state + Arena.PaddedBytes(parameter.Count * DType.BF16.Bytes()) : state;
    }

    private Elements Moment(Parameter parameter, DType type)
    {
        var moment = new Elements(_arena.Allocate(parameter.Count * type.Bytes()), type);
        _device.Clear(moment.Address, parameter.Count * type.Bytes());
        return moment;
    }

    private sealed record Slot(Parameter Parameter, Elements First, Elements Second);
}
